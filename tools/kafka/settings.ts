/** The server settings of a Kafka for tests: KRaft, every node broker and controller, all on 127.0.0.1. */

export type Properties = Readonly<Record<string, string | number | boolean>>;

export interface Listener {
  readonly name: 'PLAINTEXT' | 'SASL_SSL' | 'CONTROLLER';
  /** Where it listens, as host:port; the host may be empty (every interface). */
  readonly at: string;
  /** What clients are told, where it differs. */
  readonly advertised?: string;
}

export interface NodeSettings {
  readonly id: number;
  readonly listeners: readonly Listener[];
  /** Addresses of all controllers, in the order of their node ids, which count from 1. */
  readonly controllers: readonly string[];
  readonly dataFolder: string;
  /** More settings; they win over those made here. */
  readonly extra: Properties;
}

/** The settings of one node. The defaults of Kafka assume three machines, patience and a spare gigabyte. */
export const nodeProperties = ({ id, listeners, controllers, dataFolder, extra }: NodeSettings): Properties => {
  const replicas = controllers.length;
  const inSync = replicas >= 3 ? 2 : 1;
  const protocol = (name: Listener['name']) => (name === 'CONTROLLER' ? 'PLAINTEXT' : name);
  return {
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': controllers.map((address, index) => `${index + 1}@${address}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    listeners: listeners.map(({ name, at }) => `${name}://${at}`).join(','),
    'advertised.listeners': listeners.map(({ name, at, advertised }) => `${name}://${advertised ?? at}`).join(','),
    'listener.security.protocol.map': listeners.map(({ name }) => `${name}:${protocol(name)}`).join(','),
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': dataFolder,
    // The default, true, hides a mistyped topic.
    'auto.create.topics.enable': false,
    'num.partitions': 1,
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    // With the default of 3, groups and transactions on one node wait for ever (COORDINATOR_NOT_AVAILABLE).
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    // The default is 50 each: a hundred folders at the first use.
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.num.partitions': 4,
    // The default holds the first consumer of a group back for 3 s.
    'group.initial.rebalance.delay.ms': 0,
    // A broker that was killed may come back only after its old session has ended: 9 s by default.
    'broker.session.timeout.ms': 2000,
    'broker.heartbeat.interval.ms': 500,
    // How long brokers wait for a controller that is frozen: 30 s by default, and the whole cluster stands still.
    'controller.socket.timeout.ms': 2000,
    ...extra,
  };
};

/** The text of a Java properties file. Keys and values are ours or a developer's: only backslashes need care. */
export const propertiesText = (properties: Properties): string =>
  Object.entries(properties)
    .map(([key, value]) => `${key}=${String(value).replaceAll('\\', '\\\\')}\n`)
    .join('');

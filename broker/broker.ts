/**
 * The composition root: builds the parts, starts them from the truth upwards, stops them from the doors downwards.
 */
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { judgeLeisure } from './api/admission.ts';
import { Metrics } from './api/metrics.ts';
import { buildServer } from './api/server.ts';
import type { Readiness } from './api/surroundings.ts';
import { AddressPolicy } from './check-back/address-policy.ts';
import { CheckBack } from './check-back/check-back.ts';
import { clock } from './clock.ts';
import { type Config, ConfigError, type KafkaConfig } from './config.ts';
import { consolePages } from './console/console.ts';
import { Coordinator } from './coordinator/coordinator.ts';
import { Forwarder } from './forward/forwarder.ts';
import { KafkaPublisher } from './forward/kafka-publisher.ts';
import { MemoryPublisher } from './forward/memory-publisher.ts';
import { TopicCatalogue } from './forward/topic-catalogue.ts';
import { isLoopbackUrl } from './protocol/loopback.ts';
import { readiness } from './readiness.ts';
import { createRetention } from './retention.ts';
import { openSqliteStore } from './store/sqlite-store.ts';
import { VERSION } from './version.ts';

export interface Broker {
  /** http://host:port, https with TLS */
  readonly address: string;
  /** Finishes what is in hand, at the latest after so many milliseconds. What is not finished by then is safe. */
  stop(withinMs: number): Promise<void>;
}

/** Kept back for the last marks and for closing the store. */
const CLOSING_MS = 1_000;

const addressPolicy = ({ checkAllow, host }: Config): AddressPolicy => {
  try {
    return new AddressPolicy(checkAllow, host);
  } catch (error) {
    throw new ConfigError([`--check-allow: ${(error as Error).message}.`]);
  }
};

const kafkaPublisher = ({ brokers, clientId, tls, sasl }: KafkaConfig, log: Logger): KafkaPublisher =>
  new KafkaPublisher({ brokers, clientId, ssl: tls ?? undefined, sasl: sasl ?? undefined }, log);

/** Rejects with ConfigError, DataFolderError or what listening failed with; then nothing is left open. */
export const startBroker = async (config: Config, log: Logger, fatal: (error: Error) => void): Promise<Broker> => {
  const policy = addressPolicy(config);
  const store = openSqliteStore({ dataDir: config.dataDir, reserveBytes: config.diskReserveBytes });
  const metrics = new Metrics();
  const startedAt = clock.now();
  let isAccepting = false;
  const onFatal = (error: Error): void => {
    isAccepting = false;
    fatal(error);
  };
  const coordinator = await Coordinator.open({
    store,
    clock,
    random: Math.random,
    isNearlyFull: () => store.isNearlyFull,
    onReady: (topic, partition) => forwarder.onReady(topic, partition),
    onCheckPlanned: (group, at) => checkBack.checkPlanned(group, at),
    onCommit: (commands, tookMs) => metrics.onCommit(commands, tookMs),
    onResolution: (kind, by) => metrics.onResolution(kind, by),
    onFatal,
  });
  const memory = config.kafka ? null : new MemoryPublisher();
  const publisher = memory ?? kafkaPublisher(config.kafka!, log);
  const catalogue = new TopicCatalogue({ publisher, coordinator, clock, onFatal });
  const forwarder = new Forwarder({
    store,
    coordinator,
    publisher,
    catalogue,
    clock,
    random: Math.random,
    source: config.source,
    parkAfterMs: config.parkAfterMs,
    paceMs: config.forwardPaceMs,
    hooks: {
      onForwarded: (topic, count, oldestAgeMs) => metrics.onForwarded(topic, count, oldestAgeMs),
      onParked: (_, count) => metrics.onParked(count),
      onSendFailed: (_, fault) => metrics.onSendFailed(fault),
    },
    onFatal,
  });
  const checkBack = new CheckBack({
    store,
    coordinator,
    policy,
    clock,
    isOverloaded: () => judgeLeisure(coordinator, 'check') !== null,
    onCheck: (result, count) => metrics.onCheck(result, count),
    onCall: (group, tookMs, error) => metrics.onCall(group, tookMs, error),
    onFatal,
  });
  const retention = createRetention({ store, coordinator, clock, retentionMs: config.retentionMs, onFatal });
  const ready = (): Readiness => readiness({ isAccepting, coordinator, forwarder: forwarder.status() });
  metrics.watch({
    coordinator,
    store,
    now: clock.now,
    kafkaUp: () => publisher.state().status === 'up',
    checkCalls: () => checkBack.callsInFlight,
    readiness: ready,
    publisher: config.kafka ? 'kafka' : 'memory',
  });
  const server = buildServer({
    coordinator,
    keys: coordinator,
    store,
    clock,
    topics: catalogue,
    forwarding: forwarder,
    checkBack,
    backups: store.copies,
    addresses: { judge: url => policy.judgeUrl(url), isLoopback: isLoopbackUrl },
    ...(memory ? { memory } : {}),
    about: {
      version: VERSION,
      startedAt,
      publisher: config.kafka ? 'kafka' : 'memory',
      source: config.source,
      retentionMs: config.retentionMs,
    },
    readiness: ready,
    accepting: () => isAccepting,
    operatorKey: config.operatorKey,
    limits: config,
    tls: config.tls,
    metrics,
    // The line that says where the broker listens is our own.
    logger: log.child({}, { level: config.logLevel === 'info' ? 'warn' : config.logLevel }),
    pages: consolePages({ clock, isSecure: config.tls !== null }),
  });

  const closeServer = async (withinMs: number): Promise<void> => {
    // A connection on which no whole request ever comes, or whose answer nobody reads, would keep it open for minutes.
    const cut = setTimeout(() => server.server.closeAllConnections(), withinMs);
    await server.close();
    clearTimeout(cut);
  };

  const stop = async (withinMs: number): Promise<void> => {
    isAccepting = false;
    const end = clock.monotonic() + withinMs - CLOSING_MS;
    const leftMs = (): number => Math.max(0, end - clock.monotonic());
    await Promise.all([closeServer(leftMs() / 2), checkBack.stop(leftMs()), retention.stop()]);
    await forwarder.stop(leftMs());
    catalogue.stop();
    await coordinator.drain();
    await publisher.close(CLOSING_MS / 2);
    await store.close();
  };

  await store.copies.sweep();
  await forwarder.start();
  catalogue.start();
  checkBack.start();
  retention.start();
  try {
    await server.listen({ host: config.host, port: config.port });
  } catch (error) {
    await stop(CLOSING_MS);
    throw error;
  }
  isAccepting = true;
  const { address, port, family } = server.server.address() as AddressInfo;
  const url = `${config.tls === null ? 'http' : 'https'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  const where = config.kafka ? `Kafka at ${config.kafka.brokers.join(',')}` : 'memory: records are gone at restart';
  // Whoever waits for this line waits at any log level.
  log.child({}, { level: 'info' }).info(
    {
      event: 'listening',
      address: url,
      version: VERSION,
      publisher: config.kafka ? 'kafka' : 'memory',
      dataDir: config.dataDir,
    },
    `escrowmq ${VERSION} listens on ${url}; committed messages go to ${where}`,
  );
  return { address: url, stop };
};

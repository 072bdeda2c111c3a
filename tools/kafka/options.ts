/** What can be asked of a Kafka for tests. */
import type { Properties } from './settings.ts';

export interface KafkaOptions {
  /** 1 (default) or 3: with three, topics have 3 replicas of which 2 must be in sync, unless they say otherwise. */
  nodes?: number | undefined;
  /** Port of the first node, the others follow it. 0 (default): free ones. */
  port?: number | undefined;
  /** Address that it listens at. Default 127.0.0.1. */
  host?: string | undefined;
  /** A program and its arguments that start each server, e.g. in another network. Default: none. */
  within?: readonly string[] | undefined;
  /** Folder of data and logs, kept and used again. Default: a temporary one, removed at the end. */
  dir?: string | undefined;
  /** Memory of each server, as for java -Xmx. Default 512m for one node, 256m each for three. */
  heap?: string | undefined;
  /** It will not live for long: it takes half the processor time to start, and never gets fast. Default: false. */
  isShortLived?: boolean | undefined;
  /** More server settings. */
  properties?: Properties | undefined;
  /** `sasl_ssl`: `brokers` then speak SASL over TLS, with the user in `security`. One node only. */
  security?: 'plaintext' | 'sasl_ssl' | undefined;
  /** Called with lines that say what is going on. */
  log?: ((line: string) => void) | undefined;
  /** Where to look for KAFKA_BROKERS, PATH and the cache; also that of the servers. Default: that of this process. */
  env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** The same with every default filled in. */
export interface Settled {
  nodes: 1 | 3;
  port: number;
  host: string;
  within: readonly string[];
  heap: string;
  secure: boolean;
  isShortLived: boolean;
  properties: Properties;
  log: (line: string) => void;
  env: Readonly<Record<string, string | undefined>>;
}

/** Throws a RangeError that names what is wrong. */
export const settle = (options: KafkaOptions): Settled => {
  const { nodes = 1, port = 0, security = 'plaintext', properties = {}, log = () => {}, env = process.env } = options;
  const { isShortLived = false, host = '127.0.0.1', within = [] } = options;
  if (nodes !== 1 && nodes !== 3) throw new RangeError(`nodes must be 1 or 3, not ${nodes}`);
  if (!Number.isInteger(port) || port < 0 || port > 65_536 - nodes) {
    throw new RangeError(`port must be a whole number from 0 to ${65_536 - nodes}, not ${port}`);
  }
  const heap = options.heap ?? (nodes === 3 ? '256m' : '512m');
  if (!/^[1-9]\d*[mg]$/i.test(heap)) throw new RangeError(`heap must be like 512m or 1g, not ${heap}`);
  if (security !== 'plaintext' && security !== 'sasl_ssl') {
    throw new RangeError(`security must be plaintext or sasl_ssl, not ${security}`);
  }
  const secure = security === 'sasl_ssl';
  if (secure && nodes === 3) throw new RangeError('sasl_ssl is offered for one node only');
  return { nodes, port, host, within, heap, secure, isShortLived, properties, log, env };
};

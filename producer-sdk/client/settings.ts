/** Every setting of a client: default, unit, limit. */
import { type OpenTelemetry, type Spans, spansThrough } from '../../broker/protocol/spans.ts';
import { InvalidCallError } from './client-errors.ts';
import { isId } from './operation-text.ts';

/** Where the client says what a person may want to see. Pino's loggers fit, and so does `console`. */
export interface ClientLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ClientOptions {
  /** `http://` or `https://` address of the broker, without `/v1`. */
  url: string;
  /** API key, sent as a bearer token. */
  key?: string;
  /** The producer group of every prepare that names none. */
  group?: string;
  /** How long the first operation that waits may be held back for others; 0: not at all. At most 1,000. Default 0. */
  lingerMs?: number;
  /** Requests under way at the same time, 1..64. Default 4. */
  maxInFlight?: number;
  /** Operations in one request, 1..1,000. Default 500. */
  maxBatch?: number;
  /** Bytes of one request, from which on it takes no further operation; one larger than this goes alone. Default 1 MiB. */
  maxBatchBytes?: number;
  /**
   * Operations accepted and not answered; a prepare beyond it is refused with `QUEUE_FULL`. A commit or rollback is
   * refused from twice as many on: what is begun must be able to end. Default 10,000.
   */
  maxWaiting?: number;
  /** Bytes of these operations, by the same rule. Default 64 MiB. */
  maxWaitingBytes?: number;
  /** How long one call may take with all its repeats, unless it says otherwise. Default 30,000. */
  deadlineMs?: number;
  /** How long one request may take before its connection is given up and it is sent again. Default 10,000. */
  requestTimeoutMs?: number;
  logger?: ClientLogger;
  /**
   * Your own `import * as opentelemetry from '@opentelemetry/api'`: a prepare then carries the trace that its caller is in,
   * and a producer makes spans. Left out: a prepare carries what it is given.
   */
  opentelemetry?: OpenTelemetry;
}

export type ClientSettings = Required<Omit<ClientOptions, 'url' | 'key' | 'group' | 'logger' | 'opentelemetry'>> & {
  readonly url: URL;
  readonly key: string | null;
  readonly group: string | null;
  readonly logger: ClientLogger | null;
  readonly spans: Spans | null;
};

/** Null without the option. Throws an InvalidCallError where it is something else. */
export const clientSpans = ({ opentelemetry }: Pick<ClientOptions, 'opentelemetry'>): Spans | null =>
  spansThrough(opentelemetry, '@escrowmq/producer', InvalidCallError);

const MIB = 1024 * 1024;

const WHOLE_NUMBERS = {
  lingerMs: { standard: 0, min: 0, max: 1_000 },
  maxInFlight: { standard: 4, min: 1, max: 64 },
  maxBatch: { standard: 500, min: 1, max: 1_000 },
  maxBatchBytes: { standard: MIB, min: 1, max: 15 * MIB },
  maxWaiting: { standard: 10_000, min: 1, max: 10_000_000 },
  maxWaitingBytes: { standard: 64 * MIB, min: 1, max: 4_096 * MIB },
  deadlineMs: { standard: 30_000, min: 1, max: 24 * 60 * 60 * 1_000 },
  requestTimeoutMs: { standard: 10_000, min: 1, max: 10 * 60 * 1_000 },
} as const;

/** The number as given, or a sentence that says what it must be. */
export const wholeNumber = (name: keyof typeof WHOLE_NUMBERS, value: number | undefined): number => {
  const { standard, min, max } = WHOLE_NUMBERS[name];
  if (value === undefined) return standard;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new InvalidCallError(`${name} must be a whole number from ${min} to ${max}.`);
};

const brokerUrl = (text: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new InvalidCallError('url must be an http:// or https:// address without credentials, query or fragment.');
  }
  return url;
};

/** Throws an InvalidCallError about the first setting that cannot be used. */
export const clientSettings = (options: ClientOptions): ClientSettings => {
  const { key = null, group = null, logger = null } = options;
  // The key itself must not get into a message that somebody logs.
  if (key !== null && !/^[\x21-\x7e]+$/.test(key)) throw new InvalidCallError('key must be printable ASCII.');
  if (group !== null && !isId(group)) throw new InvalidCallError('group must match [A-Za-z0-9_-]{1,64}.');
  const number = (name: keyof typeof WHOLE_NUMBERS): number => wholeNumber(name, options[name]);
  return {
    url: brokerUrl(options.url),
    key,
    group,
    logger,
    spans: clientSpans(options),
    lingerMs: number('lingerMs'),
    maxInFlight: number('maxInFlight'),
    maxBatch: number('maxBatch'),
    maxBatchBytes: number('maxBatchBytes'),
    maxWaiting: number('maxWaiting'),
    maxWaitingBytes: number('maxWaitingBytes'),
    deadlineMs: number('deadlineMs'),
    requestTimeoutMs: number('requestTimeoutMs'),
  };
};

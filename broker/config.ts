/**
 * Every setting: flag, environment name, default, limit. Read once, checked as a whole (all mistakes are told at once),
 * then frozen. The only reader of the environment.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { parseArgs } from 'node:util';
import { isLoopbackHost } from './protocol/loopback.ts';

export interface KafkaConfig {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** Null: no TLS. PEM texts. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null;
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  } | null;
}

export interface Config {
  readonly host: string;
  readonly port: number;
  /** Null: plain HTTP. PEM texts that fit together. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly dataDir: string;
  readonly diskReserveBytes: number;
  readonly source: string;
  readonly retentionMs: number;
  readonly parkAfterMs: number;
  readonly checkAllow: readonly string[];
  readonly operatorKey: string | null;
  readonly maxMessageBytes: number;
  readonly maxTransactionBytes: number;
  readonly maxBodyBytes: number;
  readonly forwardPaceMs: number;
  readonly logLevel: string;
  /** Null: memory publisher. */
  readonly kafka: KafkaConfig | null;
  /** The host is a loopback address. */
  readonly loopback: boolean;
}

/** The settings do not make sense. Each message is a sentence for the person at the keyboard. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly mistakes: readonly string[];
  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'));
    this.mistakes = mistakes;
  }
}

interface Setting {
  readonly value: string;
  readonly fallback?: string;
  readonly help: string;
  readonly isBoolean?: true;
}

/** In the order of `--help`. The environment name is `ESCROWMQ_` and the flag in capitals. */
export const SETTINGS = {
  host: {
    value: 'ADDRESS',
    fallback: '127.0.0.1',
    help: 'address to listen on; any but loopback needs an operator key',
  },
  port: { value: 'PORT', fallback: '7400', help: 'port to listen on; 0: any free one, printed' },
  'tls-cert-file': {
    value: 'FILE',
    help: 'PEM: the broker’s certificate and what links it to its authority; HTTPS instead of HTTP',
  },
  'tls-key-file': { value: 'FILE', help: 'PEM: the key of that certificate' },
  'data-dir': { value: 'FOLDER', fallback: './data', help: 'where everything is kept; one broker a folder' },
  'disk-reserve': {
    value: 'BYTES',
    fallback: '67108864',
    help: 'of the disk kept for the end of what was begun, an eighth of it at most: nothing new is accepted into it; 0: none',
  },
  source: { value: 'NAME', fallback: 'escrowmq', help: 'first part of ce_source; different for every broker' },
  retention: { value: 'TIME', fallback: '72h', help: 'how long ended transactions are remembered' },
  'park-after': {
    value: 'TIME',
    fallback: '10m',
    help: 'how long a fault of a topic may last before its messages are parked',
  },
  'check-allow': {
    value: 'LIST',
    help: 'hosts and networks (CIDR) that check addresses may lie in; default: loopback, if the broker is on loopback',
  },
  'operator-key-file': {
    value: 'FILE',
    help: 'file with the operator key (at least 32 characters); or ESCROWMQ_OPERATOR_KEY',
  },
  publisher: {
    value: 'kafka|memory',
    fallback: 'kafka',
    help: 'where committed messages go; memory: no Kafka at all, for trying out',
  },
  'kafka-brokers': { value: 'LIST', help: 'host:port,… to find the cluster by' },
  'kafka-client-id': { value: 'NAME', fallback: 'escrowmq', help: 'name that Kafka logs' },
  'kafka-tls': { value: '', isBoolean: true, help: 'speak TLS' },
  'kafka-ca-file': { value: 'FILE', help: 'PEM: whom to trust (with --kafka-tls)' },
  'kafka-cert-file': { value: 'FILE', help: 'PEM: the client’s certificate (with --kafka-key-file)' },
  'kafka-key-file': { value: 'FILE', help: 'PEM: the client’s key' },
  'kafka-sasl': { value: 'MECHANISM', help: 'plain, scram-sha-256 or scram-sha-512' },
  'kafka-username': { value: 'NAME', help: 'for SASL' },
  'kafka-password-file': { value: 'FILE', help: 'for SASL' },
  'max-message-bytes': {
    value: 'BYTES',
    fallback: '1000000',
    help: 'payload, key and headers of one message, decoded',
  },
  'max-transaction-bytes': { value: 'BYTES', fallback: '4000000', help: 'all messages of one transaction' },
  'max-body-bytes': { value: 'BYTES', fallback: '16777216', help: 'one request body' },
  'forward-pace': {
    value: 'TIME',
    fallback: '10ms',
    help: 'shortest time from send to send under load; longer: fewer, larger sends',
  },
  'log-level': { value: 'LEVEL', fallback: 'info', help: 'trace, debug, info, warn, error or silent' },
} as const satisfies Record<string, Setting>;

type Flag = keyof typeof SETTINGS;
const settings: Record<Flag, Setting> = SETTINGS;

export const environmentName = (flag: string): string => `ESCROWMQ_${flag.toUpperCase().replaceAll('-', '_')}`;

const OPERATOR_KEY_VARIABLE = 'ESCROWMQ_OPERATOR_KEY';
const SHORTEST_OPERATOR_KEY = 32;
const UNITS_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST_MS = 3650 * 86_400_000;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** Flags and environment as given → one text per setting. Flags win over the environment. */
const collect = (args: string[], env: NodeJS.ProcessEnv, mistakes: string[]): Map<Flag, string> => {
  const given = new Map<Flag, string>();
  for (const flag of Object.keys(settings) as Flag[]) {
    const value = env[environmentName(flag)];
    if (value !== undefined && value !== '') given.set(flag, value);
    else if (settings[flag].fallback !== undefined) given.set(flag, settings[flag].fallback);
  }
  const options = Object.fromEntries(
    Object.entries(settings).map(([flag, { isBoolean }]) => [
      flag,
      { type: isBoolean ? 'boolean' : 'string' } as const,
    ]),
  );
  const seen = new Set<string>();
  for (const token of parseArgs({ args, options, strict: false, tokens: true, allowPositionals: true }).tokens) {
    if (token.kind === 'positional') mistakes.push(`"${token.value}" is not expected here.`);
    if (token.kind !== 'option') continue;
    if (!Object.hasOwn(settings, token.name)) {
      mistakes.push(`There is no setting ${token.rawName}; --help lists all.`);
      continue;
    }
    const flag = token.name as Flag;
    if (seen.has(flag)) mistakes.push(`--${flag} is given twice.`);
    seen.add(flag);
    if (settings[flag].isBoolean) given.set(flag, token.value ?? 'true');
    else if (token.value === undefined || token.value === '') mistakes.push(`--${flag} needs a value.`);
    else given.set(flag, token.value);
  }
  return given;
};

class Reader {
  readonly #given: Map<Flag, string>;
  readonly #mistakes: string[];

  constructor(given: Map<Flag, string>, mistakes: string[]) {
    this.#given = given;
    this.#mistakes = mistakes;
  }

  text(flag: Flag): string | null {
    return this.#given.get(flag) ?? null;
  }

  mistake(sentence: string): void {
    this.#mistakes.push(sentence);
  }

  matching(flag: Flag, pattern: RegExp, what: string): string {
    const text = this.text(flag) ?? '';
    if (!pattern.test(text)) this.mistake(`--${flag} must be ${what}, not "${text}".`);
    return text;
  }

  oneOf<T extends string>(flag: Flag, choices: readonly T[]): T {
    const text = this.text(flag) as T;
    if (!choices.includes(text)) this.mistake(`--${flag} must be one of ${choices.join(', ')}, not "${text}".`);
    return text;
  }

  integer(flag: Flag, min: number, max: number): number {
    const text = this.text(flag) ?? '';
    const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      this.mistake(`--${flag} must be a whole number from ${min} to ${max}, not "${text}".`);
    }
    return value;
  }

  duration(flag: Flag, minMs: number): number {
    const text = this.text(flag) ?? '';
    const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
    const value = match ? Number(match[1]) * UNITS_MS[match[2]!]! : Number.NaN;
    if (!(value >= minMs && value <= LONGEST_MS)) {
      this.mistake(`--${flag} must be a time like 500ms, 10s, 10m or 72h, at least ${minMs}ms, not "${text}".`);
    }
    return value;
  }

  list(flag: Flag): string[] {
    const entries = (this.text(flag) ?? '').split(',');
    return entries.map(entry => entry.trim()).filter(entry => entry !== '');
  }

  isSet(flag: Flag): boolean {
    const text = this.text(flag);
    if (text === null || text === 'false') return false;
    if (text !== 'true') this.mistake(`--${flag} is either given or not; it takes no value but true or false.`);
    return true;
  }

  file(flag: Flag): string | null {
    const path = this.text(flag);
    if (path === null) return null;
    try {
      const text = readFileSync(path, 'utf8');
      if (text.trim() === '') this.mistake(`--${flag}: ${path} is empty.`);
      return text.trim() === '' ? '' : text;
    } catch (error) {
      this.mistake(`--${flag}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? error}).`);
      return '';
    }
  }
}

/** What `use` makes of it; null where it throws, which is a mistake. */
const usable = <T>(reader: Reader, use: () => T, sentence: (code: string) => string): T | null => {
  try {
    return use();
  } catch (error) {
    reader.mistake(sentence((error as NodeJS.ErrnoException).code ?? (error as Error).message));
    return null;
  }
};

const readTls = (reader: Reader): Config['tls'] => {
  const [cert, key] = [reader.file('tls-cert-file'), reader.file('tls-key-file')];
  if (cert === null && key === null) return null;
  if (cert === null || key === null) reader.mistake('--tls-cert-file and --tls-key-file belong together.');
  // Of a file that cannot be read nothing more is said.
  if (!cert || !key) return null;
  const certificate = usable(
    reader,
    () => new X509Certificate(cert),
    () => '--tls-cert-file holds no certificate in PEM.',
  );
  const privateKey = usable(
    reader,
    () => createPrivateKey(key),
    () =>
      key.includes('ENCRYPTED')
        ? '--tls-key-file is locked by a passphrase; give the key without one, in a file that only the broker can read.'
        : '--tls-key-file holds no private key in PEM.',
  );
  if (certificate === null || privateKey === null) return null;
  if (!certificate.checkPrivateKey(privateKey)) {
    reader.mistake('The key of --tls-key-file does not belong to the first certificate of --tls-cert-file.');
    return null;
  }
  const pair = { cert, key };
  const context = usable(
    reader,
    () => createSecureContext(pair),
    code => `TLS cannot work with --tls-cert-file and --tls-key-file (${code}).`,
  );
  return context === null ? null : pair;
};

const readKafka = (reader: Reader): KafkaConfig => {
  const brokers = reader.list('kafka-brokers');
  if (brokers.length === 0) {
    reader.mistake(
      'Say where Kafka is (--kafka-brokers host:port,…), or try the broker without it (--publisher memory).',
    );
  }
  for (const broker of brokers) {
    if (!/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(broker)) {
      reader.mistake(`--kafka-brokers must be host:port,…; "${broker}" is not.`);
    }
  }
  const [ca, cert, key] = [reader.file('kafka-ca-file'), reader.file('kafka-cert-file'), reader.file('kafka-key-file')];
  const isTls = reader.isSet('kafka-tls');
  if (!isTls && (ca ?? cert ?? key) !== null)
    reader.mistake('--kafka-ca-file, --kafka-cert-file and --kafka-key-file need --kafka-tls.');
  if ((cert === null) !== (key === null)) reader.mistake('--kafka-cert-file and --kafka-key-file belong together.');
  return {
    brokers,
    clientId: reader.matching('kafka-client-id', /^[A-Za-z0-9._-]{1,128}$/, 'letters, digits, ".", "_" or "-"'),
    tls: isTls ? { ...(ca === null ? {} : { ca }), ...(cert === null || key === null ? {} : { cert, key }) } : null,
    sasl: readSasl(reader),
  };
};

const readSasl = (reader: Reader): KafkaConfig['sasl'] => {
  const username = reader.text('kafka-username');
  const password = reader.file('kafka-password-file');
  if (reader.text('kafka-sasl') === null) {
    if ((username ?? password) !== null)
      reader.mistake('--kafka-username and --kafka-password-file need --kafka-sasl.');
    return null;
  }
  const mechanism = reader.oneOf('kafka-sasl', MECHANISMS);
  if (username === null || password === null)
    reader.mistake('--kafka-sasl needs --kafka-username and --kafka-password-file.');
  return { mechanism, username: username ?? '', password: (password ?? '').replace(/\r?\n$/, '') };
};

const readOperatorKey = (reader: Reader, env: NodeJS.ProcessEnv): string | null => {
  const fromFile = reader.file('operator-key-file')?.trim() ?? null;
  const fromEnvironment = env[OPERATOR_KEY_VARIABLE] || null;
  if (fromFile !== null && fromEnvironment !== null) {
    reader.mistake(`Give the operator key once: --operator-key-file or ${OPERATOR_KEY_VARIABLE}.`);
  }
  const key = fromFile ?? fromEnvironment;
  // Of a file that cannot be read nothing more is said.
  if (key && !/^[\x21-\x7e]+$/.test(key)) reader.mistake('The operator key must be printable ASCII without spaces.');
  if (key && key.length < SHORTEST_OPERATOR_KEY) {
    reader.mistake(`The operator key has ${key.length} characters; at least ${SHORTEST_OPERATOR_KEY} are needed.`);
  }
  return key;
};

/** Throws ConfigError with every mistake found. */
export const readConfig = (args: string[], env: NodeJS.ProcessEnv = process.env): Config => {
  const mistakes: string[] = [];
  const reader = new Reader(collect(args, env, mistakes), mistakes);
  const host = reader.text('host')!;
  const loopback = isLoopbackHost(host);
  const operatorKey = readOperatorKey(reader, env);
  if (!loopback && operatorKey === null) {
    mistakes.push(
      `${host} can be reached from outside, so a key is needed: give --operator-key-file or ${OPERATOR_KEY_VARIABLE}, or listen on 127.0.0.1.`,
    );
  }
  const publisher = reader.oneOf('publisher', ['kafka', 'memory']);
  const config: Config = {
    host,
    loopback,
    operatorKey,
    port: reader.integer('port', 0, 65_535),
    tls: readTls(reader),
    dataDir: reader.text('data-dir')!,
    diskReserveBytes: reader.integer('disk-reserve', 0, 999_999_999_999),
    source: reader.matching('source', /^[A-Za-z0-9._~-]{1,64}$/, '1 to 64 letters, digits, ".", "_", "~" or "-"'),
    retentionMs: reader.duration('retention', 1_000),
    parkAfterMs: reader.duration('park-after', 0),
    checkAllow: reader.list('check-allow'),
    maxMessageBytes: reader.integer('max-message-bytes', 1, 100_000_000),
    maxTransactionBytes: reader.integer('max-transaction-bytes', 1, 400_000_000),
    maxBodyBytes: reader.integer('max-body-bytes', 1_024, 500_000_000),
    forwardPaceMs: reader.duration('forward-pace', 0),
    logLevel: reader.oneOf('log-level', LOG_LEVELS),
    kafka: publisher === 'memory' ? null : readKafka(reader),
  };
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return Object.freeze(config);
};

/** The value of a flag in the environment, for the commands that talk to a broker; null where it is not set. */
export const fromEnvironment = (flag: string): string | null => process.env[environmentName(flag)] || null;

/** What the surroundings ask of whoever writes to a terminal: a width in columns, and no colours. */
export const terminalWishes = (env: NodeJS.ProcessEnv = process.env): { columns: number | null; noColour: boolean } => {
  const columns = /^[1-9]\d{0,3}$/.test(env.COLUMNS ?? '') ? Number(env.COLUMNS) : null;
  return { columns, noColour: (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb' };
};

/** The settings as flags of a command: the name of the value, and what help says. */
export const settingFlags = (): Record<string, { readonly value?: string; readonly help: string }> =>
  Object.fromEntries(
    Object.entries(settings).map(([flag, { value, fallback, help, isBoolean }]) => {
      const text = fallback === undefined ? help : `${help} (default ${fallback})`;
      return [flag, isBoolean ? { help: text } : { value, help: text }];
    }),
  );

/** What the commands that talk to a broker have in common: flags, the broker's address, the key, and how they end. */
import { readFileSync } from 'node:fs';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import type { BrokerAddress } from './broker-client.ts';

/** Wrong use. Each is a sentence for the person at the keyboard. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** The terminal. */
export interface Terminal {
  /** Of a flag, from the environment; null where it is not set. */
  environment(flag: string): string | null;
  write(text: string): void;
  /** For what is said besides. */
  remark(sentence: string): void;
}

/** Common to all commands; `--help` is looked for before. */
export const COMMON_OPTIONS = {
  url: { type: 'string' },
  key: { type: 'string' },
  'key-file': { type: 'string' },
  json: { type: 'boolean', default: false },
} as const satisfies ParseArgsOptionsConfig;

const DEFAULT_URL = 'http://127.0.0.1:7400';

/** As node:util's, with its complaints as a UsageError. No flag may be given twice or be empty. */
export const readArguments = <T extends ParseArgsOptionsConfig>(args: string[], options: T) => {
  try {
    const parsed = parseArgs({ args, options, allowPositionals: true, tokens: true });
    const seen = new Set<string>();
    for (const token of parsed.tokens) {
      if (token.kind !== 'option') continue;
      if (seen.has(token.name)) throw new UsageError(`--${token.name} is given twice.`);
      if (token.value === '') throw new UsageError(`--${token.name} needs a value.`);
      seen.add(token.name);
    }
    return parsed;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_PARSE_ARGS'))
      throw new UsageError(message.split('. To specify')[0]!.replace(/\.?$/, '.'));
    throw error;
  }
};

const brokerUrl = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
    throw new UsageError('--url must be an http:// or https:// address without credentials, query or fragment.');
  }
  return url.href.replace(/\/$/, '');
};

const keyIn = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UsageError(`--key-file: ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
};

/** Where the broker is, and the key for it. Flags win over the environment. */
export const brokerAddress = (
  flags: { readonly url?: string; readonly key?: string; readonly 'key-file'?: string },
  { environment }: Terminal,
): BrokerAddress => {
  const url = brokerUrl(flags.url ?? environment('url') ?? DEFAULT_URL);
  const isGiven = flags.key !== undefined || flags['key-file'] !== undefined;
  const given = isGiven
    ? flags
    : { key: environment('key') ?? undefined, 'key-file': environment('key-file') ?? undefined };
  if (given.key !== undefined && given['key-file'] !== undefined) {
    throw new UsageError('Give the key once: --key, --key-file, ESCROWMQ_KEY or ESCROWMQ_KEY_FILE.');
  }
  const key = given['key-file'] === undefined ? (given.key ?? null) : keyIn(given['key-file']);
  // The key itself must not get into a sentence that somebody keeps.
  if (key !== null && !/^[\x21-\x7e]+$/.test(key)) throw new UsageError('The key must be printable ASCII.');
  return { url, key };
};

/** Columns as wide as their widest cell. */
export const table = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  return rows
    .map(
      row =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
};

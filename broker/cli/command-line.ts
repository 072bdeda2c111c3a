/** From arguments to what a command reads: its flags, its operands, where the broker is, and the key for it. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { BrokerAddress } from './broker-client.ts';
import type { Command } from './command.ts';
import { UsageError } from './flags.ts';
import { Input } from './input.ts';
import type { Terminal } from './terminal.ts';

const DEFAULT_URL = 'http://127.0.0.1:7400';

/** How many operands: `ID…` is one or more, in brackets none is enough. */
const operandLimits = (operands: string): readonly [min: number, max: number] => {
  if (operands === '') return [0, 0];
  return [operands.startsWith('[') ? 0 : 1, operands.includes('…') ? Number.POSITIVE_INFINITY : 1];
};

/** No flag may be given twice or be empty. Throws a UsageError. */
export const readArguments = (command: Command, args: string[]): Input => {
  const options = Object.fromEntries(
    Object.entries(command.flags).map(([name, { value }]) => [name, { type: value ? 'string' : 'boolean' } as const]),
  );
  let parsed: { values: Record<string, string | boolean | undefined>; positionals: string[] };
  try {
    const { tokens, ...found } = parseArgs({ args, options, allowPositionals: true, tokens: true });
    parsed = found as typeof parsed;
    const seen = new Set<string>();
    for (const token of tokens) {
      if (token.kind !== 'option') continue;
      if (seen.has(token.name)) throw new UsageError(`--${token.name} is given twice.`);
      if (token.value === '' && !command.flags[token.name]?.mayBeEmpty)
        throw new UsageError(`--${token.name} needs a value.`);
      seen.add(token.name);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('ERR_PARSE_ARGS'))
      throw new UsageError(message.split('. To specify')[0]!.replace(/\.?$/, '.'));
    throw error;
  }
  for (const [name, { choices }] of Object.entries(command.flags)) {
    const value = parsed.values[name];
    if (choices !== undefined && typeof value === 'string' && !choices.includes(value))
      throw new UsageError(`--${name} must be one of ${choices.join(', ')}.`);
  }
  const { operands = '' } = command;
  const [min, max] = operandLimits(operands);
  const { positionals } = parsed;
  if (positionals.length < min) throw new UsageError(`Something is missing: escrowmq ${command.name} ${operands}.`);
  if (positionals.length > max) throw new UsageError(`"${positionals[max]}" is not expected here.`);
  if (positionals.includes('')) throw new UsageError('An argument is empty.');
  return new Input(command, args, positionals, parsed.values);
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
export const brokerAddress = (input: Input, { environment }: Terminal, defaultUrl = DEFAULT_URL): BrokerAddress => {
  const url = brokerUrl(input.text('url') ?? environment('url') ?? defaultUrl);
  const isGiven = input.isSet('key') || input.isSet('key-file');
  const [plain, file] = isGiven
    ? [input.text('key'), input.text('key-file')]
    : [environment('key'), environment('key-file')];
  if (plain !== null && file !== null) {
    throw new UsageError('Give the key once: --key, --key-file, ESCROWMQ_KEY or ESCROWMQ_KEY_FILE.');
  }
  const key = file === null ? plain : keyIn(file);
  // The key itself must not get into a sentence that somebody keeps.
  if (key !== null && !/^[\x21-\x7e]+$/.test(key)) throw new UsageError('The key must be printable ASCII.');
  return { url, key };
};

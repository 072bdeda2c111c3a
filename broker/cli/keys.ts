/** `escrowmq keys`: API keys of a running broker, over HTTP. */
import { clock } from '../clock.ts';
import type { KeyBody, NewKeyBody } from '../protocol/wire.ts';
import { type BrokerAddress, CallError, callBroker } from './broker-client.ts';
import { brokerAddress, COMMON_OPTIONS, readArguments, type Terminal, table, UsageError } from './command-line.ts';

const HELP = `escrowmq keys: API keys of a running broker

Usage: escrowmq keys create --role ROLE [--group GROUP] [--expires TIME] [--reason TEXT]
       escrowmq keys list
       escrowmq keys revoke PREFIX [--reason TEXT]

  --role ROLE      producer: prepares, commits and rolls back, for one group alone (--group)
                   viewer: reads everything
                   operator: may do everything
  --group GROUP    producer group of a producer key; it is created where it is missing
  --expires TIME   after 12h or 90d, or at a time like 2027-01-31T12:00:00Z (default: never)
  --reason TEXT    kept with the key
  --url ADDRESS    of the broker (default http://127.0.0.1:7400), or ESCROWMQ_URL
  --key KEY        an operator key; better in a file (--key-file FILE), or in ESCROWMQ_KEY, ESCROWMQ_KEY_FILE
  --json           the broker’s answer, for programs

A key is shown once, on standard output; the broker stores a hash. A group has at most two keys that are good, so
that one can be replaced: create the new one, give it to the service, revoke the old one.

Exit codes: 0 done, 1 the broker refused or is not there, 2 wrong use.

Examples:
  escrowmq keys create --role producer --group bank-a > bank-a.key
  escrowmq keys create --role viewer --expires 90d --reason "Prometheus"
  escrowmq keys list
  escrowmq keys revoke emq_0123456789ab --reason "bank-a has the new one"
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  role: { type: 'string' },
  group: { type: 'string' },
  expires: { type: 'string' },
  reason: { type: 'string' },
} as const;

const UNITS_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

type Flags = ReturnType<typeof readArguments<typeof OPTIONS>>['values'];

const expiryOf = (text: string): string => {
  const [, count, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  return unit === undefined ? text : new Date(clock.now() + Number(count) * UNITS_MS[unit]!).toISOString();
};

const create = async (broker: BrokerAddress, flags: Flags, terminal: Terminal): Promise<void> => {
  const { role, group, expires, reason, json } = flags;
  if (role === undefined) throw new UsageError('Say which role the key has: --role producer, viewer or operator.');
  const expiresAt = expires === undefined ? undefined : expiryOf(expires);
  const made = (await callBroker(broker, 'POST', '/v1/keys', { role, group, expiresAt, reason })) as NewKeyBody;
  terminal.write(json ? `${JSON.stringify(made)}\n` : `${made.key}\n`);
  const whose = made.group === null ? '' : ` of group ${made.group}`;
  const until = made.expiresAt === null ? 'does not expire' : `expires at ${made.expiresAt}`;
  if (!json) terminal.remark(`This ${made.role} key${whose}, ${made.prefix}, is shown only now; it ${until}.`);
};

const stateOf = ({ revokedAt, expiresAt }: KeyBody, now: number): string => {
  if (revokedAt !== null) return `revoked ${revokedAt}`;
  if (expiresAt === null) return 'good';
  return Date.parse(expiresAt) > now ? `good until ${expiresAt}` : `expired ${expiresAt}`;
};

const list = async (broker: BrokerAddress, { json }: Flags, terminal: Terminal): Promise<void> => {
  const answer = (await callBroker(broker, 'GET', '/v1/keys')) as { items: KeyBody[] };
  if (json) return terminal.write(`${JSON.stringify(answer)}\n`);
  const now = clock.now();
  const rows = answer.items.map(key => [
    key.prefix,
    key.role,
    key.group ?? '-',
    stateOf(key, now),
    `${key.createdAt} by ${key.createdBy}`,
    key.revokedReason ?? key.reason ?? '',
  ]);
  terminal.write(table([['PREFIX', 'ROLE', 'GROUP', 'STATE', 'CREATED', 'REASON'], ...rows]));
};

const revoke = async (
  broker: BrokerAddress,
  prefix: string | undefined,
  { reason, json }: Flags,
  terminal: Terminal,
): Promise<void> => {
  if (prefix === undefined) throw new UsageError('Say which key: escrowmq keys revoke PREFIX; `keys list` shows them.');
  await callBroker(broker, 'DELETE', `/v1/keys/${encodeURIComponent(prefix)}`, { reason });
  terminal.write(json ? `${JSON.stringify({ prefix, revoked: true })}\n` : `${prefix} is revoked.\n`);
};

/** What a flag makes no sense with is refused, so that nobody believes that it did something. */
const FLAGS_OF: Record<string, readonly string[]> = {
  create: ['role', 'group', 'expires', 'reason'],
  list: [],
  revoke: ['reason'],
};

const run = async (args: string[], terminal: Terminal): Promise<void> => {
  const { values, positionals } = readArguments(args, OPTIONS);
  const [act, ...rest] = positionals;
  if (act === undefined) throw new UsageError('Say what to do: escrowmq keys create, list or revoke.');
  if (!Object.hasOwn(FLAGS_OF, act)) throw new UsageError(`There is no command "keys ${act}".`);
  for (const flag of ['role', 'group', 'expires', 'reason'] as const) {
    const isStray = values[flag] !== undefined && !FLAGS_OF[act]!.includes(flag);
    if (isStray) throw new UsageError(`--${flag} says nothing to "keys ${act}".`);
  }
  const stray = act === 'revoke' ? rest[1] : rest[0];
  if (stray !== undefined) throw new UsageError(`"${stray}" is not expected here.`);
  const broker = brokerAddress(values, terminal);
  if (act === 'create') return create(broker, values, terminal);
  return act === 'list' ? list(broker, values, terminal) : revoke(broker, rest[0], values, terminal);
};

/** Resolves with the exit code. */
export const keysCommand = async (args: string[], terminal: Terminal): Promise<0 | 1 | 2> => {
  if (args.includes('--help') || args.includes('-h')) {
    terminal.write(HELP);
    return 0;
  }
  try {
    await run(args, terminal);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.remark(error.message);
      terminal.remark('`escrowmq keys --help` shows what there is.');
      return 2;
    }
    if (!(error instanceof CallError)) throw error;
    terminal.remark(error.message);
    return 1;
  }
};

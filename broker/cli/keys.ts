/** API keys of a running broker. */
import { clock } from '../clock.ts';
import type { KeyBody, NewKeyBody } from '../protocol/wire.ts';
import { askBroker, CallError, callBroker } from './broker-client.ts';
import type { Command } from './command.ts';
import { brokerAddress } from './command-line.ts';
import { BROKER_FLAGS } from './flags.ts';
import { jsonLine, plain, Table } from './terminal-text.ts';

const REASON_KEPT = { value: 'TEXT', help: 'kept with the key' } as const;

const stateOf = ({ revokedAt, expiresAt }: KeyBody, now: number): string => {
  if (revokedAt !== null) return `revoked ${revokedAt}`;
  if (expiresAt === null) return 'good';
  return Date.parse(expiresAt) > now ? `good until ${expiresAt}` : `expired ${expiresAt}`;
};

const createKey: Command = {
  name: 'keys create',
  does: 'makes an API key and shows it, once',
  flags: {
    role: {
      value: 'ROLE',
      choices: ['producer', 'viewer', 'operator'],
      help: 'producer (for one group alone), viewer (reads everything) or operator (may do everything)',
    },
    group: { value: 'GROUP', help: 'producer group of a producer key; it is created where it is missing' },
    expires: { value: 'TIME', help: 'after 12h or 90d, or at a time like 2027-01-31T12:00:00Z (default: never)' },
    reason: REASON_KEPT,
    ...BROKER_FLAGS,
  },
  more: `The key is shown once, on standard output; the broker stores a hash. A group has at most two keys that are good, so
that one can be replaced: create the new one, give it to the service, revoke the old one.`,
  examples: [
    'keys create --role producer --group bank-a > bank-a.key',
    'keys create --role viewer --expires 90d --reason "Prometheus"',
  ],
  async run(input, terminal) {
    const role = input.needed('role', 'which role the key has');
    if (role === 'producer') input.needed('group', 'whose key it is');
    const body = {
      role,
      group: input.text('group') ?? undefined,
      expiresAt: input.instant('expires', 'after') ?? undefined,
      reason: input.text('reason') ?? undefined,
    };
    const members = { key: 'string', prefix: 'string' } as const;
    const made = await askBroker<NewKeyBody>(brokerAddress(input, terminal), 'POST', '/v1/keys', members, body);
    await terminal.write(input.isSet('json') ? jsonLine(made) : `${plain(made.key)}\n`);
    if (input.isSet('json')) return 0;
    const whose = made.group === null ? '' : ` of group ${made.group}`;
    const until = made.expiresAt === null ? 'does not expire' : `expires at ${made.expiresAt}`;
    terminal.remark(plain(`This ${made.role} key${whose}, ${made.prefix}, is shown only now; it ${until}.`));
    return 0;
  },
};

const listKeys: Command = {
  name: 'keys list',
  does: 'all API keys, also those that are over, without their secrets',
  flags: BROKER_FLAGS,
  examples: ['keys list'],
  async run(input, terminal) {
    const broker = brokerAddress(input, terminal);
    const answer = await askBroker<{ items: KeyBody[] }>(broker, 'GET', '/v1/keys', { items: 'list' });
    if (input.isSet('json')) {
      await terminal.write(jsonLine(answer));
      return 0;
    }
    const now = clock.now();
    const table = new Table<KeyBody>(
      [
        { title: 'PREFIX', of: key => key.prefix },
        { title: 'ROLE', of: key => key.role },
        { title: 'GROUP', of: key => key.group },
        { title: 'STATE', of: key => stateOf(key, now) },
        { title: 'CREATED', of: key => `${key.createdAt} by ${key.createdBy}`, isLoose: true },
        { title: 'REASON', of: key => key.revokedReason ?? key.reason ?? '', isLoose: true },
      ],
      terminal,
    );
    await table.write(answer.items);
    return 0;
  },
};

const revokeKey: Command = {
  name: 'keys revoke',
  operands: 'PREFIX',
  does: 'ends an API key from the next request on',
  flags: { reason: REASON_KEPT, ...BROKER_FLAGS },
  examples: ['keys revoke emq_0123456789ab --reason "bank-a has the new one"'],
  async run(input, terminal) {
    const [prefix] = input.operands;
    const path = `/v1/keys/${encodeURIComponent(prefix!)}`;
    const broker = brokerAddress(input, terminal);
    const answer = await callBroker(broker, 'DELETE', path, { reason: input.text('reason') ?? undefined });
    // A broker says nothing more. Nobody may believe that a key is revoked which is good.
    if (answer !== undefined) throw new CallError(`What answers at ${broker.url} is no escrowmq broker.`);
    const isJson = input.isSet('json');
    await terminal.write(isJson ? jsonLine({ prefix, revoked: true }) : plain(`${prefix} is revoked.`).concat('\n'));
    return 0;
  },
};

export const KEY_COMMANDS: readonly Command[] = [createKey, listKeys, revokeKey];

/** `escrowmq list`, and the filters that acts on many take as well. */
import type { TransactionListItem } from '../protocol/wire.ts';
import type { Command } from './command.ts';
import { BROKER_FLAGS, type Flags, UsageError } from './flags.ts';
import type { Input } from './input.ts';
import { PAGE_FLAGS, showList } from './paged-list.ts';
import { toSecond } from './terminal-text.ts';

/** What transactions are chosen by, also for acts on many. */
export const TRANSACTION_FILTERS = {
  unresolved: { help: 'those that nobody could decide' },
  group: { value: 'GROUP', help: 'those of a producer group' },
  topic: { value: 'TOPIC', help: 'those with a message to it' },
  'message-key': { value: 'KEY', help: 'those with a message of this key' },
  since: { value: 'TIME', help: 'prepared at or after a time like 2026-11-21T10:00:00Z, or so long ago: 30m, 2h, 7d' },
  until: { value: 'TIME', help: 'prepared before it' },
  'last-error': {
    value: 'TEXT',
    mayBeEmpty: true,
    help: 'of --unresolved, those whose last check failed with exactly this; "": with nothing',
  },
} as const satisfies Flags;

const MORE_FILTERS = {
  state: { value: 'STATE', choices: ['prepared', 'committed', 'rolled_back'], help: 'those in this state' },
  parked: { help: 'those with a parked message' },
  discarded: { help: 'those with a message that was given up' },
  contradicted: { help: 'those about which two systems disagree' },
} as const satisfies Flags;

/** Flag → query parameter. */
const TEXTS = {
  state: 'state',
  group: 'group',
  topic: 'topic',
  'message-key': 'key',
  'last-error': 'lastError',
} as const;

/** The flags of these that are given, as query parameters of `GET /v1/transactions`. */
export const transactionQuery = (input: Input, flags: Flags): Record<string, string> => {
  if (input.isSet('last-error') && !input.isSet('unresolved')) throw new UsageError('--last-error needs --unresolved.');
  const query: Record<string, string> = {};
  for (const [flag, { value }] of Object.entries(flags)) {
    if (!input.isSet(flag)) continue;
    if (value === undefined) query[flag] = 'true';
    else if (flag === 'since' || flag === 'until') query[flag] = input.instant(flag, 'before')!;
    else query[TEXTS[flag as keyof typeof TEXTS]] = input.text(flag)!;
  }
  return query;
};

const FILTERS: Flags = { ...MORE_FILTERS, ...TRANSACTION_FILTERS };

/** What needs a person, in words. */
const concerns = ({ unresolved, parked }: TransactionListItem): string =>
  [unresolved ? 'unresolved' : '', parked > 0 ? `${parked} parked` : ''].filter(word => word !== '').join(', ');

export const listCommand: Command = {
  name: 'list',
  does: 'transactions, the newest first',
  flags: { ...FILTERS, ...PAGE_FLAGS, ...BROKER_FLAGS },
  more: `Of several filters all must fit. With --follow the newest are shown first and then what comes, the oldest at the top;
with --all or --follow, --json writes one line for each.`,
  examples: [
    'list --state prepared --group bank-a',
    'list --unresolved --all --json',
    'list --topic transfers --message-key account-17 --since 2h',
    'list --group bank-a --follow',
  ],
  async run(input, terminal) {
    const list = {
      path: '/v1/transactions',
      query: transactionQuery(input, FILTERS),
      idOf: ({ id, state, unresolved, parked }: TransactionListItem) => `${id} ${state} ${unresolved} ${parked}`,
      nothing: 'There is no such transaction.',
      columns: [
        { title: 'ID', of: ({ id }: TransactionListItem) => id },
        { title: 'STATE', of: ({ state }: TransactionListItem) => state },
        { title: 'ATTENTION', of: concerns },
        { title: 'GROUP', of: ({ group }: TransactionListItem) => group, isLoose: true },
        { title: 'PREPARED', of: ({ preparedAt }: TransactionListItem) => toSecond(preparedAt) },
        { title: 'RESOLVED', of: ({ resolvedAt }: TransactionListItem) => toSecond(resolvedAt) },
        { title: 'BY', of: ({ resolvedBy }: TransactionListItem) => resolvedBy },
      ] as const,
    };
    await showList(list, input, terminal);
    return 0;
  },
};

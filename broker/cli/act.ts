/** The acts of an operator on transactions and on parked messages: on those that are named, or on all that fit a filter. */
import type { BulkAct, Selection } from '../bulk-act.ts';
import { askBroker, CallError } from './broker-client.ts';
import { settleAll, settleNamed } from './bulk.ts';
import type { Command } from './command.ts';
import { brokerAddress } from './command-line.ts';
import { BROKER_FLAGS, type Flags, REASON, UsageError } from './flags.ts';
import type { Input } from './input.ts';
import { TRANSACTION_FILTERS, transactionQuery } from './list.ts';
import { MESSAGE_FILTERS, messageQuery } from './parked.ts';
import type { Terminal } from './terminal.ts';
import { jsonLine, plain } from './terminal-text.ts';

interface ActWords {
  readonly act: BulkAct;
  readonly does: string;
  /** Continues "transfer-42 ". */
  readonly done: string;
  readonly more: string;
  readonly examples: readonly string[];
}

const BULK_FLAGS = {
  all: { help: 'all that fit the filters, the oldest first, instead of named ones' },
  yes: { help: 'does not ask before' },
} as const satisfies Flags;

const isForMessages = (act: BulkAct): boolean => act === 'retry' || act === 'discard';

const filtersOf = (act: BulkAct): Flags => (isForMessages(act) ? MESSAGE_FILTERS : TRANSACTION_FILTERS);

/** What `--all` means. Throws a UsageError where nothing limits it. */
const selectionOf = (act: BulkAct, input: Input): Selection => {
  const flags = filtersOf(act);
  const filter = isForMessages(act) ? messageQuery(input) : transactionQuery(input, flags);
  const names = Object.keys(flags).map(flag => `--${flag}`);
  if (Object.keys(filter).length === 0)
    throw new UsageError(`--all needs at least one of ${names.slice(0, -1).join(', ')} and ${names.at(-1)}.`);
  return { act, filter };
};

/** One, with the broker's own answer. */
const settleOne = async ({ act, done }: ActWords, input: Input, terminal: Terminal, reason: string): Promise<0> => {
  const id = input.operands[0]!;
  const path = `/v1/${isForMessages(act) ? 'messages' : 'transactions'}/${encodeURIComponent(id)}/${act}`;
  const broker = brokerAddress(input, terminal);
  const answer = await askBroker<{ id: string }>(broker, 'POST', path, { id: 'string' }, { reason });
  if (answer.id !== id) throw new CallError(`What answers at ${broker.url} speaks of ${answer.id} instead of ${id}.`);
  await terminal.write(input.isSet('json') ? jsonLine(answer) : `${plain(id)} ${done}.\n`);
  return 0;
};

const actCommand = (words: ActWords): Command => ({
  name: words.act,
  operands: isForMessages(words.act) ? '[MESSAGE…]' : '[ID…]',
  does: words.does,
  flags: { reason: REASON, ...BULK_FLAGS, ...filtersOf(words.act), ...BROKER_FLAGS },
  more: words.more,
  examples: words.examples,
  async run(input, terminal) {
    const reason = input.needed('reason', 'why');
    if (input.isSet('all')) {
      if (input.operands.length > 0) throw new UsageError('Name them, or say --all; not both.');
      return settleAll(selectionOf(words.act, input), reason, input, terminal);
    }
    const stray = ['yes', ...Object.keys(filtersOf(words.act))].find(flag => input.isSet(flag));
    if (stray !== undefined) throw new UsageError(`--${stray} says something only with --all.`);
    if (input.operands.length === 0)
      throw new UsageError(`Say which: escrowmq ${words.act} ID, or --all and a filter.`);
    if (input.operands.length === 1) return settleOne(words, input, terminal, reason);
    return settleNamed(words.act, [...new Set(input.operands)], reason, input, terminal);
  },
});

const BULK_TEXT = `With --all the number is shown first and must be typed to go on; --yes goes on without, as a program must. It
acts on 100,000 at once, in requests of 500, and may be run again.`;

export const ACT_COMMANDS: readonly Command[] = [
  actCommand({
    act: 'commit',
    does: 'commits undecided transactions: their messages go to Kafka',
    done: 'is committed',
    more: `The fence in the producer’s database is not asked: find out first what became of the local transaction.
${BULK_TEXT}`,
    examples: [
      'commit transfer-42 --reason "seen in the ledger"',
      'commit --all --unresolved --group bank-a --last-error "HTTP status 500" --reason "incident 7"',
    ],
  }),
  actCommand({
    act: 'rollback',
    does: 'rolls undecided transactions back: nobody sees their messages',
    done: 'is rolled back',
    more: `The fence in the producer’s database is not asked: find out first what became of the local transaction.
${BULK_TEXT}`,
    examples: [
      'rollback transfer-42 --reason "not in the ledger"',
      'rollback --all --unresolved --group bank-a --until 2h --reason "incident 7"',
    ],
  }),
  actCommand({
    act: 'check',
    does: 'asks the producer group about undecided transactions now',
    done: 'will be asked about at once',
    more: `The count of answers "unknown" starts anew, and what was unresolved is asked about again.
${BULK_TEXT}`,
    examples: [
      'check transfer-42 --reason "bank-a is back"',
      'check --all --unresolved --group bank-a --reason "bank-a is back"',
    ],
  }),
  actCommand({
    act: 'retry',
    does: 'sends parked messages again',
    done: 'is sent again',
    more: `A message that is sent again comes after what was forwarded meanwhile.
${BULK_TEXT}`,
    examples: [
      'retry transfer-42.0 --reason "the topic is there now"',
      'retry --all --topic transfers --reason "the topic is there now"',
    ],
  }),
  actCommand({
    act: 'discard',
    does: 'gives parked messages up, for ever',
    done: 'is given up',
    more: BULK_TEXT,
    examples: [
      'discard transfer-42.0 --reason "sent by hand"',
      'discard --all --topic audit --last-error "The message is too large." --reason "agreed with bank-a"',
    ],
  }),
];

/** `escrowmq attention`: what waits for a person, by what it failed with. */
import type { AttentionBody } from '../protocol/wire.ts';
import { askBroker } from './broker-client.ts';
import type { Command } from './command.ts';
import { brokerAddress } from './command-line.ts';
import { BROKER_FLAGS } from './flags.ts';
import type { Terminal } from './terminal.ts';
import { jsonLine, Table, toSecond } from './terminal-text.ts';

type Unresolved = AttentionBody['unresolved'][number];
type Parked = AttentionBody['parked'][number];

const UNRESOLVED_COLUMNS = [
  { title: 'UNRESOLVED', of: ({ count }: Unresolved) => count },
  { title: 'GROUP', of: ({ group }: Unresolved) => group },
  { title: 'OLDEST', of: ({ oldestAt }: Unresolved) => toSecond(oldestAt) },
  { title: 'LAST ERROR', of: ({ lastError }: Unresolved) => lastError, isLoose: true },
] as const;

const PARKED_COLUMNS = [
  { title: 'PARKED', of: ({ count }: Parked) => count },
  { title: 'TOPIC', of: ({ topic }: Parked) => topic },
  { title: 'OLDEST', of: ({ oldestAt }: Parked) => toSecond(oldestAt) },
  { title: 'LAST ERROR', of: ({ lastError }: Parked) => lastError, isLoose: true },
] as const;

const write = async ({ unresolved, parked, isComplete }: AttentionBody, terminal: Terminal): Promise<void> => {
  if (unresolved.length > 0) await new Table<Unresolved>(UNRESOLVED_COLUMNS, terminal).write(unresolved);
  if (unresolved.length > 0 && parked.length > 0) await terminal.write('\n');
  if (parked.length > 0) await new Table<Parked>(PARKED_COLUMNS, terminal).write(parked);
  if (unresolved.length + parked.length === 0) terminal.remark('Nothing waits for a person.');
  if (!isComplete) terminal.remark('There is more than was counted here; `escrowmq status` has the whole number.');
};

export const attentionCommand: Command = {
  name: 'attention',
  does: 'what waits for a person, by what it failed with',
  flags: BROKER_FLAGS,
  more: `Unresolved transactions by producer group and the error of the last check (none: the producer answered "unknown" until
the limit, or has no check address), parked messages by topic and error. What is alike is settled at once:
\`commit\`, \`rollback\`, \`check\`, \`retry\` and \`discard\` with --all and --last-error.`,
  examples: ['attention', 'attention --json'],
  async run(input, terminal) {
    const members = { unresolved: 'list', parked: 'list' } as const;
    const answer = await askBroker<AttentionBody>(brokerAddress(input, terminal), 'GET', '/v1/attention', members);
    if (input.isSet('json')) await terminal.write(jsonLine(answer));
    else await write(answer, terminal);
    return 0;
  },
};

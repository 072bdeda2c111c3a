/** `escrowmq groups`: producer groups, and the test of a check address. `escrowmq topics` is their counterpart. */
import type { ProducerGroupBody, TopicBody } from '../protocol/wire.ts';
import { askBroker } from './broker-client.ts';
import type { Command } from './command.ts';
import { brokerAddress } from './command-line.ts';
import { BROKER_FLAGS } from './flags.ts';
import { facts, jsonLine, plain, spanText, Table, toSecond } from './terminal-text.ts';

const GROUP_COLUMNS = [
  { title: 'GROUP', of: ({ group }: ProducerGroupBody) => group },
  { title: 'OVERDUE', of: ({ health }: ProducerGroupBody) => health.overdue },
  { title: 'UNRESOLVED', of: ({ health }: ProducerGroupBody) => health.unresolved },
  { title: 'LAST ANSWER', of: ({ health }: ProducerGroupBody) => toSecond(health.lastAnswerAt) },
  { title: 'CHECK ADDRESS', of: ({ checkUrl }: ProducerGroupBody) => checkUrl, isLoose: true },
  { title: 'LAST ERROR', of: ({ health }: ProducerGroupBody) => health.lastError, isLoose: true },
] as const;

const factsOf = ({
  group,
  checkUrl,
  hasSecret,
  check,
  topics,
  health,
}: ProducerGroupBody): [string, string | number | null][] => [
  ['group', group],
  ['check address', checkUrl],
  ['signed', hasSecret ? 'yes' : 'no: there is no secret'],
  ['first check after', spanText(check.afterMs)],
  ['then every', `${spanText(check.intervalMs)}, doubling up to ${spanText(check.maxIntervalMs)}`],
  ['limit', `${check.limit} answers "unknown", then ${check.onLimit === 'rollback' ? 'rolled back' : 'unresolved'}`],
  ['topics', topics === null ? 'all' : topics.join(', ')],
  ['last answer', health.lastAnswerAt],
  ['last error', health.lastError],
  ['overdue', health.overdue],
  ['unresolved', health.unresolved],
];

const groupsCommand: Command = {
  name: 'groups',
  operands: '[GROUP]',
  does: 'producer groups and how they answer, or one of them with its settings',
  flags: BROKER_FLAGS,
  more: `OVERDUE counts transactions whose check should have been answered and was not.`,
  examples: ['groups', 'groups bank-a'],
  async run(input, terminal) {
    const [group] = input.operands;
    const path = `/v1/producer-groups${group === undefined ? '' : `/${encodeURIComponent(group)}`}`;
    const broker = brokerAddress(input, terminal);
    const isJson = input.isSet('json');
    if (group !== undefined) {
      const answer = await askBroker<ProducerGroupBody>(broker, 'GET', path, { check: 'object', health: 'object' });
      await terminal.write(isJson ? jsonLine(answer) : facts(factsOf(answer), terminal));
      return 0;
    }
    const answer = await askBroker<{ items: ProducerGroupBody[] }>(broker, 'GET', path, { items: 'list' });
    if (isJson) await terminal.write(jsonLine(answer));
    else await new Table<ProducerGroupBody>(GROUP_COLUMNS, terminal).write(answer.items);
    return 0;
  },
};

/** What `POST /v1/producer-groups/{group}/test` says. */
export interface CheckTest {
  readonly ok: boolean;
  readonly status: number | null;
  readonly tookMs: number;
  readonly error: string | null;
}

const testCommand: Command = {
  name: 'groups test',
  operands: 'GROUP',
  does: 'asks the check address of a producer group the test question now',
  flags: BROKER_FLAGS,
  more: `The test question is about no transaction and decides nothing. Exit code 1: the answer is not the right one.`,
  examples: ['groups test bank-a'],
  async run(input, terminal) {
    const [group] = input.operands;
    const path = `/v1/producer-groups/${encodeURIComponent(group!)}/test`;
    const answer = await askBroker<CheckTest>(brokerAddress(input, terminal), 'POST', path, { ok: 'boolean' });
    const said = answer.ok ? 'answers as it should' : `does not answer as it should: ${answer.error}`;
    const isJson = input.isSet('json');
    await terminal.write(
      isJson ? jsonLine(answer) : plain(`${group} ${said} (${spanText(answer.tookMs)}).`).concat('\n'),
    );
    return answer.ok ? 0 : 1;
  },
};

const TOPIC_COLUMNS = [
  { title: 'TOPIC', of: ({ topic }: TopicBody) => topic },
  { title: 'PARTITIONS', of: ({ partitions }: TopicBody) => partitions },
  { title: 'WAITING', of: ({ waiting }: TopicBody) => waiting },
  { title: 'PARKED', of: ({ parked }: TopicBody) => parked },
  { title: 'LAG', of: ({ lagMs }: TopicBody) => (lagMs === 0 ? null : spanText(lagMs)) },
  { title: 'WHAT IS IN THE WAY', of: ({ lastError }: TopicBody) => lastError, isLoose: true },
] as const;

const topicsCommand: Command = {
  name: 'topics',
  does: 'topics, what waits for each, and what is in its way',
  flags: BROKER_FLAGS,
  more: `WAITING counts committed messages that are not in Kafka yet; LAG is the age of the oldest since its commit.`,
  examples: ['topics'],
  async run(input, terminal) {
    const broker = brokerAddress(input, terminal);
    const answer = await askBroker<{ items: TopicBody[] }>(broker, 'GET', '/v1/topics', { items: 'list' });
    if (input.isSet('json')) await terminal.write(jsonLine(answer));
    else await new Table<TopicBody>(TOPIC_COLUMNS, terminal).write(answer.items);
    return 0;
  },
};

export const GROUP_COMMANDS: readonly Command[] = [groupsCommand, testCommand, topicsCommand];

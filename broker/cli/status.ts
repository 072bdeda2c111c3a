/** `escrowmq status`: the broker at a glance. */
import type { StatusBody } from '../protocol/wire.ts';
import { askBroker } from './broker-client.ts';
import type { Command } from './command.ts';
import { brokerAddress } from './command-line.ts';
import { BROKER_FLAGS } from './flags.ts';
import { bytesText, counted, facts, grouped, jsonLine, spanText } from './terminal-text.ts';

const age = (instant: string | null, now: string): string =>
  instant === null ? '' : `, the oldest for ${spanText(Date.parse(now) - Date.parse(instant))}`;

const MEMBERS = {
  checks: 'object',
  transactions: 'object',
  messages: 'object',
  sinceStart: 'object',
  oldest: 'object',
  disk: 'object',
} as const;

const factsOf = (status: StatusBody): [string, string | null][] => {
  const { transactions, messages, sinceStart, oldest, disk, now } = status;
  const needs = transactions.unresolved + messages.parked + transactions.contradicted;
  return [
    ['status', status.status],
    ...Object.entries(status.checks)
      .filter(([, { status }]) => status !== 'ok')
      .map(([name, { status, detail }]): [string, string] => [`  ${name}`, `${status}${detail ? `: ${detail}` : ''}`]),
    ['version', `${status.version}, up for ${spanText(Date.parse(now) - Date.parse(status.startedAt))}`],
    ['publisher', `${status.publisher}, source ${status.source}, retention ${spanText(status.retentionMs)}`],
    ['undecided', `${counted(transactions.prepared, 'transaction')}${age(oldest.prepared, now)}`],
    ['waiting for Kafka', `${counted(messages.ready, 'message')}${age(oldest.ready, now)}`],
    [
      'for a person',
      needs === 0
        ? 'nothing'
        : `${grouped(transactions.unresolved)} unresolved, ${grouped(messages.parked)} parked${age(oldest.parked, now)}, ` +
          `${grouped(transactions.contradicted)} contradicted`,
    ],
    ['remembered', `${grouped(transactions.committed)} committed, ${grouped(transactions.rolled_back)} rolled back`],
    [
      'since the start',
      `${grouped(sinceStart.prepared)} prepared, ${grouped(sinceStart.committed)} committed, ` +
        `${grouped(sinceStart.rolledBack)} rolled back, ${grouped(sinceStart.checks)} checks, ` +
        `${grouped(sinceStart.forwarded)} forwarded, ${grouped(sinceStart.parked)} parked`,
    ],
    ['waiting for the disk', counted(status.waitingCommands, 'command')],
    [
      'disk',
      `${bytesText(disk.freeBytes)} free, ${bytesText(disk.reserveBytes)} of it reserve; ` +
        `database ${bytesText(disk.databaseBytes)}, log ${bytesText(disk.walBytes)}`,
    ],
  ];
};

export const statusCommand: Command = {
  name: 'status',
  does: 'the broker at a glance',
  flags: BROKER_FLAGS,
  more: `Exit code 1 only where there is no answer: look at the word, or at "status" of --json.`,
  examples: ['status', 'status --url https://broker.example:7400 --key-file viewer.key', 'status --json'],
  async run(input, terminal) {
    const answer = await askBroker<StatusBody>(brokerAddress(input, terminal), 'GET', '/v1/status', MEMBERS);
    await terminal.write(input.isSet('json') ? jsonLine(answer) : facts(factsOf(answer), terminal));
    return 0;
  },
};

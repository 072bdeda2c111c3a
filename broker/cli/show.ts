/** `escrowmq show`: everything known of one transaction. */
import type { Bytes, MessageBody, TransactionDetail } from '../protocol/wire.ts';
import { decodeBytes } from '../protocol/wire.ts';
import { askBroker } from './broker-client.ts';
import type { Command } from './command.ts';
import { brokerAddress } from './command-line.ts';
import { BROKER_FLAGS } from './flags.ts';
import { follow, Seen } from './following.ts';
import type { Terminal } from './terminal.ts';
import { bytesText, facts, jsonLine, plain, plainLines, Table } from './terminal-text.ts';

type HistoryLine = TransactionDetail['history'][number];

/** Nothing happens to it any more, as far as nobody acts. */
const isAtItsEnd = ({ state, messages }: TransactionDetail): boolean =>
  state !== 'prepared' && messages.every(({ state }) => !['held', 'ready', 'parked'].includes(state));

const summary = ({ state, messageStates }: TransactionDetail): string =>
  `${state}; messages: ${Object.entries(messageStates)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')}`;

const factsOf = (transaction: TransactionDetail): [string, string | number | null][] => {
  const { id, group, state, check } = transaction;
  const rows: [string, string | number | null][] = [
    ['transaction', id],
    ['group', group],
    ['state', state],
    ['prepared', transaction.preparedAt],
  ];
  if (transaction.resolvedAt !== null)
    rows.push(['resolved', `${transaction.resolvedAt} by ${transaction.resolvedBy}`]);
  if (transaction.unresolved) rows.push(['waits for', 'a person: nobody could decide it (unresolved)']);
  if (transaction.contradicted) rows.push(['contradicted', 'yes: two systems disagree, see below']);
  if (check.lastAt !== null || state === 'prepared') {
    rows.push(['answers unknown', check.attempts], ['last asked', check.lastAt], ['asked next', check.nextAt]);
  }
  if (check.lastError !== null) rows.push(['last check', check.lastError]);
  return rows;
};

const bytesAsText = (bytes: Bytes): string =>
  typeof bytes === 'string' ? bytes : Buffer.from(decodeBytes(bytes)).toString('hex');

const MESSAGE_COLUMNS = [
  { title: 'MESSAGE', of: ({ id }: MessageBody) => id },
  { title: 'TOPIC', of: ({ topic }: MessageBody) => topic, isLoose: true },
  { title: 'KEY', of: ({ key }: MessageBody) => (key === null ? null : bytesAsText(key)), isLoose: true },
  { title: 'STATE', of: ({ state }: MessageBody) => state },
  { title: 'PARTITION', of: ({ partition }: MessageBody) => partition },
  { title: 'OFFSET', of: ({ offset }: MessageBody) => offset },
  { title: 'SIZE', of: ({ payloadBytes }: MessageBody) => bytesText(payloadBytes) },
  { title: 'LAST ERROR', of: ({ lastError }: MessageBody) => lastError, isLoose: true },
] as const;

const HISTORY_COLUMNS = [
  { title: 'AT', of: ({ at }: HistoryLine) => at },
  { title: 'EVENT', of: ({ event }: HistoryLine) => event },
  { title: 'BY', of: ({ by }: HistoryLine) => by },
  { title: 'TIMES', of: ({ times }: HistoryLine) => times },
  { title: 'DETAIL', of: ({ detail }: HistoryLine) => detail, isLoose: true },
] as const;

const HEX_ROW = 16;

/** As hex editors show it. */
const hexRows = (bytes: Buffer): string => {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_ROW) {
    const row = bytes.subarray(at, at + HEX_ROW);
    const hex = row.toString('hex').replace(/..(?=.)/g, '$& ');
    const shown = row.toString('latin1').replace(/[^\x20-\x7e]/g, '.');
    rows.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(3 * HEX_ROW)} ${shown}\n`);
  }
  return rows.join('');
};

/** JSON is laid out only where that changes nothing: a number that JavaScript cannot hold is shown as it was sent. */
const laidOut = (text: string): string => {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && JSON.stringify(value) === text ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
};

const payloadText = (payload: Bytes | null): string => {
  if (payload === null) return '(none: a tombstone)\n';
  if (typeof payload !== 'string') return hexRows(Buffer.from(decodeBytes(payload)));
  return `${plainLines(laidOut(payload)).replace(/\n$/, '')}\n`;
};

const contentOf = ({ id, contentType = '', type = '', headers = {}, payload = null }: MessageBody): string => {
  const rows = Object.entries(headers).map(([name, value]) => `${plain(name)}: ${plain(bytesAsText(value))}\n`);
  return `\n${plain(`${id}, ${contentType}, ${type}`)}\n${rows.join('')}\n${payloadText(payload)}`;
};

const write = async (transaction: TransactionDetail, withContents: boolean, terminal: Terminal): Promise<void> => {
  await terminal.write(`${facts(factsOf(transaction), terminal)}\n`);
  await new Table<MessageBody>(MESSAGE_COLUMNS, terminal).write(transaction.messages);
  if (withContents) await terminal.write(transaction.messages.map(contentOf).join(''));
};

export const showCommand: Command = {
  name: 'show',
  operands: 'ID',
  does: 'everything known of a transaction',
  flags: {
    payload: { help: 'headers and payloads too: text and JSON as such, other bytes in hexadecimal' },
    follow: { help: 'goes on and shows what happens to it until it is at its end, or Ctrl-C' },
    ...BROKER_FLAGS,
  },
  more: `It is at its end when it is decided and none of its messages waits. With --follow, --json writes a line at each change.`,
  examples: ['show transfer-42', 'show transfer-42 --payload', 'show transfer-42 --follow'],
  async run(input, terminal) {
    const [withContents, isJson] = [input.isSet('payload'), input.isSet('json')];
    const broker = brokerAddress(input, terminal);
    const path = `/v1/transactions/${encodeURIComponent(input.operands[0]!)}${withContents ? '?payload=true' : ''}`;
    const members = { check: 'object', messages: 'list', messageStates: 'object', history: 'list' } as const;
    const ask = () => askBroker<TransactionDetail>(broker, 'GET', path, members, undefined, terminal.interrupted);
    const first = await ask();
    if (isJson) await terminal.write(jsonLine(first));
    else await write(first, withContents, terminal);
    const history = new Table<HistoryLine>(HISTORY_COLUMNS, terminal);
    if (!isJson) await terminal.write('\n');
    if (!isJson) await history.write(first.history);
    if (!input.isSet('follow')) return 0;

    const seen = new Seen();
    const isNew = (line: HistoryLine): boolean => {
      const id = JSON.stringify(line);
      if (seen.has(id)) return false;
      seen.add(id);
      return true;
    };
    first.history.forEach(isNew);
    let last = JSON.stringify(first);
    let now = first;
    await follow(terminal, async () => {
      now = await ask();
      const lines = now.history.filter(isNew);
      if (isJson && JSON.stringify(now) !== last) await terminal.write(jsonLine(now));
      if (!isJson && lines.length > 0) await history.write(lines);
      last = JSON.stringify(now);
      return isAtItsEnd(now);
    });
    if (!isJson && isAtItsEnd(now)) terminal.remark(`It is at its end: ${summary(now)}.`);
    return 0;
  },
};

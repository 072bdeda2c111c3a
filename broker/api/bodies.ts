/** Records → the bodies of answers. */
import { checkPolicy } from '../coordinator/decisions.ts';
import {
  type ActBody,
  type Bytes,
  encodeBytes,
  type MessageBody,
  type MessageState,
  type ParkedMessageBody,
  type ProducerGroupBody,
  type TransactionBody,
  type TransactionDetail,
  type TransactionListItem,
} from '../protocol/wire.ts';
import type {
  Counters,
  HistoryEvent,
  ListedTransaction,
  ParkedMessage,
  ProducerGroup,
  StoredAct,
} from '../store/store.ts';
import { type Message, type MessageContent, messageId, type Transaction } from '../transaction/transaction.ts';
import { fullHistory } from './history.ts';

/** RFC 3339 in UTC with milliseconds. */
export const instant = (at: number): string => new Date(at).toISOString();

export const instantOrNull = (at: number | null): string | null => (at === null ? null : instant(at));

export const transactionBody = (transaction: Omit<ListedTransaction, 'unresolved' | 'parked'>): TransactionBody => ({
  id: transaction.id,
  group: transaction.group,
  state: transaction.state,
  preparedAt: instant(transaction.preparedAt),
  resolvedAt: instantOrNull(transaction.resolvedAt),
  resolvedBy: transaction.resolvedBy,
});

const countOf = (transaction: Transaction, state: MessageState): number =>
  transaction.messages.filter(message => message.state === state).length;

export const listedBody = (listed: ListedTransaction): TransactionListItem => ({
  ...transactionBody(listed),
  unresolved: listed.unresolved,
  parked: listed.parked,
});

export const listItem = (transaction: Transaction): TransactionListItem =>
  listedBody({ ...transaction, parked: countOf(transaction, 'parked') });

export const headersBody = (headers: MessageContent['headers']): Record<string, Bytes> =>
  Object.fromEntries(headers.map(([name, value]) => [name, encodeBytes(value)]));

/** `content` only where payloads were asked for. */
export const messageBody = (transactionId: string, message: Message, content?: MessageContent): MessageBody => ({
  id: messageId(transactionId, message.index),
  topic: message.topic,
  key: message.key === null ? null : encodeBytes(message.key),
  state: message.state,
  partition: message.partition,
  offset: message.offset,
  attempts: message.attempts,
  lastError: message.lastError,
  payloadBytes: message.payloadBytes,
  ...(content === undefined
    ? {}
    : {
        payload: content.payload === null ? null : encodeBytes(content.payload),
        headers: headersBody(content.headers),
        contentType: content.contentType,
        type: content.type,
      }),
});

export const parkedBody = (message: ParkedMessage): ParkedMessageBody => ({
  ...messageBody(message.transactionId, message),
  transactionId: message.transactionId,
  group: message.group,
  committedAt: instant(message.committedAt),
});

export const transactionDetail = (
  transaction: Transaction,
  stored: readonly HistoryEvent[],
  contents: readonly MessageContent[] | null,
): TransactionDetail => {
  const messageStates: TransactionDetail['messageStates'] = {};
  for (const { state } of transaction.messages) messageStates[state] = (messageStates[state] ?? 0) + 1;
  return {
    ...transactionBody(transaction),
    unresolved: transaction.unresolved,
    contradicted: transaction.contradicted,
    check: {
      attempts: transaction.checkAttempts,
      nextAt: instantOrNull(transaction.nextCheckAt),
      lastAt: instantOrNull(transaction.lastCheckAt),
      lastError: transaction.lastCheckError,
    },
    messageStates,
    messages: transaction.messages.map(message => messageBody(transaction.id, message, contents?.[message.index])),
    history: fullHistory(transaction, stored).map(line => ({ ...line, at: instant(line.at) })),
  };
};

export const actBody = (act: StoredAct): ActBody => ({ ...act, at: instant(act.at) });

/** `lastCallMs`: how long the last check call to it took, null: none was made since the start. */
export const producerGroupBody = (
  group: ProducerGroup,
  counters: Counters,
  lastCallMs: number | null,
): ProducerGroupBody => ({
  group: group.name,
  checkUrl: group.checkUrl,
  hasSecret: group.checkSecret !== null,
  check: checkPolicy(group),
  topics: group.topics === null ? null : [...group.topics],
  health: {
    lastAnswerAt: instantOrNull(group.lastAnswerAt),
    lastError: group.lastError,
    overdue: counters.get(`overdue:${group.name}`) ?? 0,
    unresolved: counters.get(`unresolved:${group.name}`) ?? 0,
    lastCallMs: lastCallMs === null ? null : Math.round(lastCallMs),
  },
});

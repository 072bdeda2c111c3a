/** Writes what a decision changes. The statements name few columns: what they do not name costs nothing. */
import type { Message, MessageContent, Transaction } from '../transaction/transaction.ts';
import type { SqliteNames } from './sqlite-names.ts';
import {
  groupToText,
  headersToText,
  keyColumns,
  MESSAGE_STATES,
  messageColumns,
  NO_PARTITION,
  POSITIONS,
  RESOLUTION_COLUMNS,
  TRANSACTION_STATES,
  transactionColumns,
} from './sqlite-rows.ts';
import type { Statements } from './sqlite-statements.ts';
import type { Changes, ProducerGroup, Topic } from './store.ts';

/** A transaction that was only stored, or only resolved: all else is as at its start. */
const isPlain = (transaction: Transaction): boolean =>
  transaction.checkAttempts === 0 &&
  transaction.lastCheckAt === null &&
  !transaction.unresolved &&
  !transaction.contradicted;

const haveSame = (before: readonly unknown[], after: readonly unknown[], from: number): boolean => {
  for (let i = from; i < after.length; i++) if (before[i] !== after[i]) return false;
  return true;
};

export class SqliteWriter {
  readonly #sql: Statements;
  readonly #groups: SqliteNames;
  readonly #topics: SqliteNames;

  constructor(sql: Statements, groups: SqliteNames, topics: SqliteNames) {
    this.#sql = sql;
    this.#groups = groups;
    this.#topics = topics;
  }

  /** Inside a transaction. `named` gets how to forget names that are new. */
  save(changes: Changes, named: (() => void)[]): void {
    for (const group of changes.groups) named.push(this.#saveGroup(group));
    for (const topic of changes.topics) named.push(this.#saveTopic(topic));
    for (const { group, topic } of changes.groupTopics)
      this.#sql.saveGroupTopic.run(this.#groups.idOf(group), this.#topics.idOf(topic));
    for (const key of changes.keys) this.#sql.saveKey.run(...keyColumns(key));
    for (const { transaction, contents } of changes.inserted) this.#insert(transaction, contents);
    for (const { before, after } of changes.updated) this.#update(before, after);
    for (const line of changes.history) this.#record(line);
    for (const act of changes.acts) this.#sql.insertAct.run(act);
    for (const { sequence } of changes.purged) this.#delete(sequence);
    for (const [name, value] of changes.counters) this.#sql.saveCounter.run(name, value);
  }

  #saveGroup(group: ProducerGroup): () => void {
    const { group_id: id } = this.#sql.saveGroup.get(group.name, groupToText(group)) as { group_id: number };
    return this.#groups.know(id, group.name);
  }

  #saveTopic({ name, partitions, barrier }: Topic): () => void {
    const { topic_id: id } = this.#sql.saveTopic.get(name, partitions, barrier) as { topic_id: number };
    return this.#topics.know(id, name);
  }

  /** As it is when it is stored; what happened to it in the same commit comes after. */
  #insert(transaction: Transaction, contents: readonly MessageContent[]): void {
    const { sequence, id, group, digest, preparedAt, nextCheckAt, traceparent, tracestate } = transaction;
    const groupId = this.#groups.idOf(group)!;
    this.#sql.insertTransaction.run(sequence, id, groupId, digest, preparedAt, nextCheckAt, traceparent, tracestate);
    if (transaction.state !== 'prepared' || !isPlain(transaction)) {
      this.#sql.updateTransaction.run(...transactionColumns(transaction), sequence);
    }
    for (const message of transaction.messages) {
      const position = sequence * POSITIONS + message.index;
      const { payload, headers, contentType, type } = contents[message.index]!;
      const topicId = this.#topics.idOf(message.topic)!;
      const { key, partition, payloadBytes } = message;
      this.#sql.insertMessage.run(position, topicId, key, partition ?? NO_PARTITION, payloadBytes);
      if (message.state !== 'held') this.#sql.updateMessage.run(...messageColumns(message), position);
      this.#sql.insertContent.run(position, payload, headersToText(headers), contentType, type);
    }
  }

  #update(before: Transaction, after: Transaction): void {
    const columns = transactionColumns(after);
    const earlier = transactionColumns(before);
    if (!haveSame(earlier, columns, RESOLUTION_COLUMNS)) {
      this.#sql.updateTransaction.run(...columns, after.sequence);
    } else if (!haveSame(earlier, columns, 0)) {
      const { state, resolvedAt, resolvedBy, nextCheckAt, sequence } = after;
      this.#sql.resolveTransaction.run(
        TRANSACTION_STATES.indexOf(state),
        resolvedAt,
        resolvedBy,
        nextCheckAt,
        sequence,
      );
    }
    for (const message of after.messages) {
      const earlierMessage = before.messages[message.index]!;
      if (message !== earlierMessage) this.#updateMessage(after.sequence, earlierMessage, message);
    }
  }

  #updateMessage(sequence: number, before: Message, after: Message): void {
    const position = sequence * POSITIONS + after.index;
    const state = MESSAGE_STATES.indexOf(after.state);
    const isTried = after.attempts !== before.attempts || after.lastError !== before.lastError;
    const isMoved = after.partition !== before.partition || after.commitOrder !== before.commitOrder;
    const isEnded = after.offset !== before.offset || after.endedAt !== before.endedAt;
    if (isTried || (isMoved && isEnded)) this.#sql.updateMessage.run(...messageColumns(after), position);
    else if (isMoved) {
      this.#sql.readyMessage.run(state, after.partition ?? NO_PARTITION, after.commitOrder, position);
    } else this.#sql.endMessage.run(state, after.offset, after.endedAt, position);
  }

  #record({ sequence, fold, at, event, by, detail }: Changes['history'][number]): void {
    if (fold && this.#sql.foldHistory.run(at, sequence, event, by, detail).changes > 0) return;
    this.#sql.insertHistory.run(sequence, at, event, by, detail);
  }

  #delete(sequence: number): void {
    const range = [sequence * POSITIONS, (sequence + 1) * POSITIONS] as const;
    this.#sql.deleteTransaction.run(sequence);
    this.#sql.deleteMessages.run(...range);
    this.#sql.deleteContents.run(...range);
    this.#sql.deleteHistory.run(sequence);
  }
}

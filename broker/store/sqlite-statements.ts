/** Every statement of the store, prepared once. Policy is not here: these only find and write. */
import type Database from 'better-sqlite3';
import { POSITIONS } from './sqlite-rows.ts';

export interface Statements {
  readonly begin: Statement;
  readonly commit: Statement;
  readonly rollback: Statement;
  readonly groups: Statement;
  readonly saveGroup: Statement;
  readonly topics: Statement;
  readonly saveTopic: Statement;
  readonly groupTopics: Statement;
  readonly saveGroupTopic: Statement;
  readonly keys: Statement;
  readonly saveKey: Statement;
  readonly insertAct: Statement;
  readonly counters: Statement;
  readonly saveCounter: Statement;
  readonly transaction: Statement;
  readonly messages: Statement;
  readonly contents: Statement;
  readonly history: Statement;
  readonly sequenceOf: Statement;
  readonly insertTransaction: Statement;
  readonly resolveTransaction: Statement;
  readonly updateTransaction: Statement;
  readonly insertMessage: Statement;
  readonly readyMessage: Statement;
  readonly endMessage: Statement;
  readonly updateMessage: Statement;
  readonly insertContent: Statement;
  readonly insertHistory: Statement;
  readonly foldHistory: Statement;
  readonly deleteTransaction: Statement;
  readonly deleteMessages: Statement;
  readonly deleteContents: Statement;
  readonly deleteHistory: Statement;
  readonly laneAfter: Statement;
  readonly laneHead: Statement;
  readonly readyMessages: Statement;
  readonly firstParked: Statement;
  readonly resolvedAt: Statement;
  readonly windowCeiling: Statement;
  readonly undecidedIn: Statement;
  readonly dueChecks: Statement;
  readonly nextCheckAt: Statement;
  readonly endedRows: Statement;
  readonly windowFloor: Statement;
  readonly messageFloor: Statement;
  readonly attentionFloor: Statement;
  readonly parkedFloor: Statement;
  readonly unresolvedAlike: Statement;
  readonly parkedAlike: Statement;
}

type Statement = Database.Statement<unknown[], unknown>;

export const prepareStatements = (db: Database.Database): Statements => ({
  begin: db.prepare('BEGIN IMMEDIATE'),
  commit: db.prepare('COMMIT'),
  rollback: db.prepare('ROLLBACK'),

  groups: db.prepare('SELECT group_id, name, settings FROM producer_groups'),
  saveGroup: db.prepare(
    `INSERT INTO producer_groups (name, settings) VALUES (?, ?)
     ON CONFLICT (name) DO UPDATE SET settings = excluded.settings RETURNING group_id`,
  ),
  topics: db.prepare('SELECT topic_id, name, partitions, barrier FROM topics'),
  saveTopic: db.prepare(
    `INSERT INTO topics (name, partitions, barrier) VALUES (?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET partitions = excluded.partitions, barrier = excluded.barrier RETURNING topic_id`,
  ),
  groupTopics: db.prepare('SELECT group_id, topic_id FROM group_topics').raw(),
  saveGroupTopic: db.prepare('INSERT OR IGNORE INTO group_topics (group_id, topic_id) VALUES (?, ?)'),
  keys: db.prepare('SELECT * FROM api_keys ORDER BY created_at, prefix'),
  saveKey: db.prepare('INSERT OR REPLACE INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
  insertAct: db.prepare(
    'INSERT INTO acts (at, act, by, target, producer_group, reason) VALUES (@at, @act, @by, @target, @group, @reason)',
  ),
  counters: db.prepare('SELECT name, value FROM counters').raw(),
  saveCounter: db.prepare(
    'INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  ),

  transaction: db.prepare('SELECT * FROM transactions WHERE id = ?'),
  messages: db.prepare('SELECT * FROM messages WHERE position >= ? AND position < ? ORDER BY position'),
  contents: db.prepare('SELECT * FROM contents WHERE position >= ? AND position < ? ORDER BY position'),
  history: db.prepare('SELECT at, event, by, detail, times FROM history WHERE sequence = ? ORDER BY history_id'),
  sequenceOf: db.prepare('SELECT sequence FROM transactions WHERE id = ?').pluck(),

  insertTransaction: db.prepare(
    `INSERT INTO transactions (sequence, id, group_id, state, digest, prepared_at, next_check_at, check_attempts,
       check_failures, unresolved, contradicted, parked, discarded, traceparent, tracestate)
     VALUES (?, ?, ?, 0, ?, ?, ?, 0, 0, 0, 0, 0, 0, ?, ?)`,
  ),
  /** A resolution alone. */
  resolveTransaction: db.prepare(
    'UPDATE transactions SET state = ?, resolved_at = ?, resolved_by = ?, next_check_at = ? WHERE sequence = ?',
  ),
  updateTransaction: db.prepare(
    `UPDATE transactions SET state = ?, resolved_at = ?, resolved_by = ?, next_check_at = ?, check_attempts = ?,
       check_failures = ?, last_check_at = ?, last_check_error = ?, unresolved = ?, contradicted = ?, parked = ?,
       discarded = ? WHERE sequence = ?`,
  ),
  insertMessage: db.prepare(
    `INSERT INTO messages (position, topic_id, key, state, partition, attempts, payload_bytes)
     VALUES (?, ?, ?, 0, ?, 0, ?)`,
  ),
  /** Into the commit order. */
  readyMessage: db.prepare('UPDATE messages SET state = ?, partition = ?, commit_order = ? WHERE position = ?'),
  /** To its end. */
  endMessage: db.prepare('UPDATE messages SET state = ?, kafka_offset = ?, ended_at = ? WHERE position = ?'),
  updateMessage: db.prepare(
    `UPDATE messages SET state = ?, partition = ?, commit_order = ?, kafka_offset = ?, attempts = ?, last_error = ?,
       ended_at = ? WHERE position = ?`,
  ),
  insertContent: db.prepare('INSERT INTO contents VALUES (?, ?, ?, ?, ?)'),
  insertHistory: db.prepare('INSERT INTO history (sequence, at, event, by, detail, times) VALUES (?, ?, ?, ?, ?, 1)'),
  foldHistory: db.prepare(
    'UPDATE history SET at = ?, times = times + 1 WHERE sequence = ? AND event = ? AND by = ? AND detail IS ?',
  ),
  deleteTransaction: db.prepare('DELETE FROM transactions WHERE sequence = ?'),
  deleteMessages: db.prepare('DELETE FROM messages WHERE position >= ? AND position < ?'),
  deleteContents: db.prepare('DELETE FROM contents WHERE position >= ? AND position < ?'),
  deleteHistory: db.prepare('DELETE FROM history WHERE sequence = ?'),

  /** The next lane behind (topic, partition), in the order of the index: one seek a lane, however long they are. */
  laneAfter: db
    .prepare(
      `SELECT topic_id, partition FROM messages WHERE state = 1 AND (topic_id, partition) > (?, ?)
       ORDER BY topic_id, partition LIMIT 1`,
    )
    .raw(),
  laneHead: db
    .prepare(
      `SELECT position FROM messages WHERE state = 1 AND topic_id = ? AND partition = ?
       ORDER BY commit_order LIMIT 1`,
    )
    .pluck(),
  readyMessages: db.prepare(
    `SELECT m.position, m.key, m.commit_order, c.payload, c.headers, c.content_type, c.type,
       t.id, t.group_id, t.resolved_at, t.traceparent, t.tracestate
     FROM messages m
     JOIN contents c ON c.position = m.position
     JOIN transactions t ON t.sequence = m.position / ${POSITIONS}
     WHERE m.state = 1 AND m.topic_id = ? AND m.partition = ? AND m.commit_order > ? AND m.commit_order <= ?
     ORDER BY m.commit_order LIMIT ?`,
  ),
  firstParked: db.prepare('SELECT min(position) FROM messages WHERE state = 3').pluck(),
  resolvedAt: db.prepare('SELECT resolved_at FROM transactions WHERE sequence = ?').pluck(),
  /** The upper end of a window of rows from `sequence` on, and the first undecided transaction in it. */
  windowCeiling: db
    .prepare('SELECT sequence FROM transactions WHERE sequence >= ? ORDER BY sequence LIMIT 1 OFFSET ?')
    .pluck(),
  undecidedIn: db
    .prepare(
      `SELECT sequence, prepared_at FROM transactions WHERE sequence >= ? AND sequence < ? AND state = 0
       ORDER BY sequence LIMIT 1`,
    )
    .raw(),

  dueChecks: db.prepare(
    `SELECT id AS transactionId, prepared_at AS preparedAt, check_attempts AS checkAttempts,
       check_failures AS checkFailures, next_check_at AS nextCheckAt, traceparent, tracestate
     FROM transactions WHERE group_id = ? AND next_check_at IS NOT NULL AND next_check_at <= ?
     ORDER BY next_check_at LIMIT ?`,
  ),
  nextCheckAt: db
    .prepare('SELECT min(next_check_at) FROM transactions WHERE group_id = ? AND next_check_at IS NOT NULL')
    .pluck(),
  endedRows: db
    .prepare(
      `SELECT sequence, id, prepared_at, resolved_at < @before AND NOT EXISTS (
         SELECT 1 FROM messages WHERE position >= sequence * ${POSITIONS} AND position < (sequence + 1) * ${POSITIONS}
           AND (ended_at IS NULL OR ended_at >= @before))
       FROM transactions WHERE sequence > @after ORDER BY sequence LIMIT @limit`,
    )
    .raw(),
  /** The lower ends of windows: of transactions, messages, what waits for a person, parked messages. */
  windowFloor: db
    .prepare('SELECT sequence FROM transactions WHERE sequence < ? ORDER BY sequence DESC LIMIT 1 OFFSET ?')
    .pluck(),
  messageFloor: db
    .prepare('SELECT position FROM messages WHERE position < ? ORDER BY position DESC LIMIT 1 OFFSET ?')
    .pluck(),
  attentionFloor: db
    .prepare(
      `SELECT sequence FROM transactions INDEXED BY attention
       WHERE (unresolved = 1 OR contradicted = 1 OR parked > 0 OR discarded > 0) AND sequence < ?
       ORDER BY sequence DESC LIMIT 1 OFFSET ?`,
    )
    .pluck(),
  parkedFloor: db
    .prepare(
      `SELECT position FROM messages INDEXED BY parked_messages WHERE state = 3 AND position < ?
       ORDER BY position DESC LIMIT 1 OFFSET ?`,
    )
    .pluck(),
  /** How many in the window [?, ?) failed alike. */
  unresolvedAlike: db
    .prepare(
      `SELECT group_id, last_check_error, count(*), min(prepared_at) FROM transactions INDEXED BY attention
       WHERE unresolved = 1 AND sequence >= ? AND sequence < ? GROUP BY group_id, last_check_error`,
    )
    .raw(),
  parkedAlike: db
    .prepare(
      `SELECT m.topic_id, m.last_error, count(*), min(t.resolved_at) FROM messages m INDEXED BY parked_messages
       CROSS JOIN transactions t ON t.sequence = m.position / ${POSITIONS}
       WHERE m.state = 3 AND m.position >= ? AND m.position < ? GROUP BY m.topic_id, m.last_error`,
    )
    .raw(),
});

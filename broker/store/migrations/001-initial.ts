/**
 * Version 1. Never edited after release: a change is a new file.
 *
 * A message's position is `sequence * 128 + index`, so the messages of a transaction are one range of keys and need no
 * index. What never changes and only Kafka needs (payload, headers) lies in a table of its own, so that a change of
 * state does not write it again. `partition` -1: not fixed yet (a null would not compare).
 *
 * States: transactions 0 prepared, 1 committed, 2 rolled_back; messages 0 held, 1 ready, 2 forwarded, 3 parked,
 * 4 discarded, 5 dropped.
 */
export const initial = `
CREATE TABLE producer_groups (
  group_id INTEGER PRIMARY KEY,
  name     TEXT NOT NULL UNIQUE,
  settings TEXT NOT NULL
) STRICT;

CREATE TABLE topics (
  topic_id   INTEGER PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  partitions INTEGER,
  barrier    INTEGER
) STRICT;

CREATE TABLE transactions (
  sequence         INTEGER PRIMARY KEY,
  id               TEXT NOT NULL UNIQUE,
  group_id         INTEGER NOT NULL,
  state            INTEGER NOT NULL,
  digest           BLOB NOT NULL,
  prepared_at      INTEGER NOT NULL,
  resolved_at      INTEGER,
  resolved_by      TEXT,
  next_check_at    INTEGER,
  check_attempts   INTEGER NOT NULL,
  check_failures   INTEGER NOT NULL,
  last_check_at    INTEGER,
  last_check_error TEXT,
  unresolved       INTEGER NOT NULL,
  contradicted     INTEGER NOT NULL,
  parked           INTEGER NOT NULL,
  discarded        INTEGER NOT NULL,
  traceparent      TEXT,
  tracestate       TEXT
) STRICT;
CREATE INDEX due_checks ON transactions (group_id, next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX attention ON transactions (sequence)
  WHERE unresolved = 1 OR contradicted = 1 OR parked > 0 OR discarded > 0;

CREATE TABLE messages (
  position      INTEGER PRIMARY KEY,
  topic_id      INTEGER NOT NULL,
  key           BLOB,
  state         INTEGER NOT NULL,
  partition     INTEGER NOT NULL,
  commit_order  INTEGER,
  kafka_offset  INTEGER,
  attempts      INTEGER NOT NULL,
  last_error    TEXT,
  ended_at      INTEGER,
  payload_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX ready_messages ON messages (topic_id, partition, commit_order) WHERE state = 1;
CREATE INDEX parked_messages ON messages (position) WHERE state = 3;

CREATE TABLE contents (
  position     INTEGER PRIMARY KEY,
  payload      BLOB,
  headers      TEXT,
  content_type TEXT NOT NULL,
  type         TEXT NOT NULL
) STRICT;

CREATE TABLE history (
  history_id INTEGER PRIMARY KEY,
  sequence   INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  event      TEXT NOT NULL,
  by         TEXT NOT NULL,
  detail     TEXT,
  times      INTEGER NOT NULL
) STRICT;
CREATE INDEX history_of ON history (sequence);

CREATE TABLE counters (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

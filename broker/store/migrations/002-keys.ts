/**
 * Version 2: API keys, and which group sends to which topics. Never edited after release: a change is a new file.
 *
 * Of a key only its hash is here. `group_topics` begins with what the messages still say.
 */
export const keys = `
CREATE TABLE api_keys (
  prefix         TEXT PRIMARY KEY,
  role           TEXT NOT NULL,
  producer_group TEXT,
  hash           BLOB NOT NULL,
  created_at     INTEGER NOT NULL,
  created_by     TEXT NOT NULL,
  reason         TEXT,
  expires_at     INTEGER,
  revoked_at     INTEGER,
  revoked_by     TEXT,
  revoked_reason TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE group_topics (
  group_id INTEGER NOT NULL,
  topic_id INTEGER NOT NULL,
  PRIMARY KEY (group_id, topic_id)
) STRICT, WITHOUT ROWID;
INSERT INTO group_topics
  SELECT DISTINCT t.group_id, m.topic_id FROM messages m JOIN transactions t ON t.sequence = m.position / 128;
`;

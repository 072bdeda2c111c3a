/**
 * Version 3: what operators did. Never edited after release: a change is a new file.
 *
 * Names stand as text, since a line outlives whatever it is about. No line is ever removed, so the ids have no gap.
 */
export const acts = `
CREATE TABLE acts (
  act_id         INTEGER PRIMARY KEY,
  at             INTEGER NOT NULL,
  act            TEXT NOT NULL,
  by             TEXT NOT NULL,
  target         TEXT,
  producer_group TEXT,
  reason         TEXT
) STRICT;
`;

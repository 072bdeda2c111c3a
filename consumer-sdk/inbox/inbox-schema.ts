/** The inbox's table, as each database has to be told. Key columns hold visible ASCII and compare byte for byte. */
import type { GuardTable } from '../../local-transaction/guard-row.ts';
import type { Dialect } from '../../local-transaction/statement.ts';

export const INBOX_TABLE: GuardTable = {
  name: 'escrow_inbox',
  keys: ['consumer_group', 'source', 'message_id'],
  timestamp: 'handled_at',
};

/** One statement after the other; repeating them changes nothing. */
export const INBOX_SCHEMA: Readonly<Record<Dialect, readonly string[]>> = {
  sqlite: [
    `create table if not exists escrow_inbox (
  consumer_group text not null,
  source text not null,
  message_id text not null,
  handled_at text not null,
  primary key (consumer_group, source, message_id)
) strict, without rowid`,
    'create index if not exists escrow_inbox_handled_at on escrow_inbox (handled_at)',
  ],
  postgresql: [
    `create table if not exists escrow_inbox (
  consumer_group varchar(255) collate "C" not null,
  source varchar(1024) collate "C" not null,
  message_id varchar(512) collate "C" not null,
  handled_at timestamptz not null,
  primary key (consumer_group, source, message_id)
)`,
    'create index if not exists escrow_inbox_handled_at on escrow_inbox (handled_at)',
  ],
  mysql: [
    `create table if not exists escrow_inbox (
  consumer_group varchar(255) character set ascii collate ascii_bin not null,
  source varchar(1024) character set ascii collate ascii_bin not null,
  message_id varchar(512) character set ascii collate ascii_bin not null,
  handled_at datetime(3) not null,
  primary key (consumer_group, source, message_id),
  key escrow_inbox_handled_at (handled_at)
) engine = InnoDB row_format = dynamic`,
  ],
};

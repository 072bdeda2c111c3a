/** Paths and queries. Whatever stands in them is a string; the numbers are read by hand from what matched. */
import { Type } from 'typebox';
import { KEY_PREFIX_PATTERN } from './caller.ts';
import { choice, Id, MessageId, STRICT, TopicName } from './schema-words.ts';

export const TransactionPath = Type.Object({ id: Id }, STRICT);
export const GroupPath = Type.Object({ group: Id }, STRICT);
export const MessagePath = Type.Object({ messageId: MessageId }, STRICT);
export const KeyPath = Type.Object(
  {
    prefix: Type.String({ pattern: KEY_PREFIX_PATTERN, description: 'the prefix of a key: emq_ and 12 digits 0-9a-f' }),
  },
  STRICT,
);

const Flag = choice('true', 'false');
const PageSize = Type.String({
  pattern: '^([1-9][0-9]?|[1-4][0-9][0-9]|500)$',
  description: 'a whole number from 1 to 500',
});
const Instant = Type.String({
  format: 'date-time',
  description: 'an RFC 3339 time like 2026-11-21T10:00:00Z (in an address "+" is written %2B)',
});

/** For calls that take no query parameter at all. */
export const NoQuery = Type.Object({}, STRICT);

export const DetailQuery = Type.Object({ payload: Type.Optional(Flag) }, STRICT);

const Cursor = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'a nextCursor of an earlier answer' });

export const ListQuery = Type.Object(
  {
    state: Type.Optional(choice('prepared', 'committed', 'rolled_back')),
    unresolved: Type.Optional(Flag),
    parked: Type.Optional(Flag),
    discarded: Type.Optional(Flag),
    contradicted: Type.Optional(Flag),
    group: Type.Optional(Id),
    topic: Type.Optional(TopicName),
    key: Type.Optional(Type.String()),
    lastError: Type.Optional(Type.String()),
    since: Type.Optional(Instant),
    until: Type.Optional(Instant),
    limit: Type.Optional(PageSize),
    cursor: Type.Optional(Cursor),
  },
  STRICT,
);

export const ParkedQuery = Type.Object(
  {
    state: choice('parked'),
    topic: Type.Optional(TopicName),
    group: Type.Optional(Id),
    lastError: Type.Optional(Type.String()),
    limit: Type.Optional(PageSize),
    cursor: Type.Optional(Cursor),
  },
  STRICT,
);

export const ActsQuery = Type.Object(
  {
    act: Type.Optional(
      choice('commit', 'rollback', 'check', 'retry', 'discard', 'create_key', 'revoke_key', 'put_group', 'backup'),
    ),
    by: Type.Optional(
      Type.String({
        pattern: '^operator(:emq_[0-9a-f]{12})?$',
        description: 'operator, or operator: and the prefix of a key',
      }),
    ),
    group: Type.Optional(Id),
    target: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9_.-]{1,67}$',
        description: 'the id of a transaction, message or producer group, or the prefix of a key',
      }),
    ),
    since: Type.Optional(Instant),
    until: Type.Optional(Instant),
    limit: Type.Optional(PageSize),
    cursor: Type.Optional(Cursor),
  },
  STRICT,
);

export const RecordsQuery = Type.Object(
  {
    topic: Type.Optional(TopicName),
    after: Type.Optional(Type.String({ pattern: '^(0|[1-9][0-9]{0,14})$', description: 'a position: a whole number' })),
    limit: Type.Optional(PageSize),
  },
  STRICT,
);

/**
 * What the broker answers. Open: clients ignore members they do not know. The hot answers are serialised by these
 * schemas; all of them stand in the OpenAPI document.
 */
import { Type } from 'typebox';
import { ERRORS, type Problem } from '../protocol/errors.ts';
import type {
  Bytes,
  KeyBody,
  MessageBody,
  MessageState,
  NewKeyBody,
  ProducerGroupBody,
  ResolvedBy,
  StatusBody,
  TopicBody,
  TransactionBody,
  TransactionDetail,
  TransactionListItem,
  TransactionState,
} from '../protocol/wire.ts';
import { describes } from './schema-words.ts';

const TRANSACTION_STATES: TransactionState[] = ['prepared', 'committed', 'rolled_back'];
const MESSAGE_STATES: MessageState[] = ['held', 'ready', 'forwarded', 'parked', 'discarded', 'dropped'];
const RESOLVERS: ResolvedBy[] = ['producer', 'check', 'operator', 'policy'];

export const NullableText = Type.Unsafe<string | null>({ type: ['string', 'null'] });
export const NullableInteger = Type.Unsafe<number | null>({ type: ['integer', 'null'] });
const State = Type.Unsafe<TransactionState>({ type: 'string', enum: TRANSACTION_STATES });
const AnyBytes = {
  anyOf: [{ type: 'string' }, { type: 'object', properties: { base64: { type: 'string' } }, required: ['base64'] }],
};
const NullableBytes = Type.Unsafe<Bytes | null>({ anyOf: [...AnyBytes.anyOf, { type: 'null' }] });
const HeadersBody = Type.Unsafe<Record<string, Bytes>>({ type: 'object', additionalProperties: AnyBytes });

const transactionMembers = {
  id: Type.String(),
  group: Type.String(),
  state: State,
  preparedAt: Type.String(),
  resolvedAt: NullableText,
  resolvedBy: Type.Unsafe<ResolvedBy | null>({ type: ['string', 'null'], enum: [...RESOLVERS, null] }),
};

export const TransactionSchema = describes<TransactionBody>()(
  Type.Object(transactionMembers, {
    title: 'Transaction',
    examples: [
      {
        id: 'transfer-42',
        group: 'bank-a',
        state: 'prepared',
        preparedAt: '2026-11-21T10:00:00.000Z',
        resolvedAt: null,
        resolvedBy: null,
      },
    ],
  }),
);

export const TransactionListItemSchema = describes<TransactionListItem>()(
  Type.Object(
    { ...transactionMembers, unresolved: Type.Boolean(), parked: Type.Integer() },
    { title: 'TransactionListItem' },
  ),
);

export const TransactionListSchema = Type.Object({
  items: Type.Array(TransactionListItemSchema),
  nextCursor: NullableText,
});

export const messageMembers = {
  id: Type.String(),
  topic: Type.String(),
  key: NullableBytes,
  state: Type.Unsafe<MessageState>({ type: 'string', enum: MESSAGE_STATES }),
  partition: NullableInteger,
  offset: NullableInteger,
  attempts: Type.Integer(),
  lastError: NullableText,
  payloadBytes: Type.Integer(),
  payload: Type.Optional(NullableBytes),
  headers: Type.Optional(HeadersBody),
  contentType: Type.Optional(Type.String()),
  type: Type.Optional(Type.String()),
};

export const MessageSchema = describes<MessageBody>()(Type.Object(messageMembers, { title: 'Message' }));

export const TransactionDetailSchema = describes<TransactionDetail>()(
  Type.Object(
    {
      ...transactionMembers,
      unresolved: Type.Boolean(),
      contradicted: Type.Boolean(),
      check: Type.Object({
        attempts: Type.Integer(),
        nextAt: NullableText,
        lastAt: NullableText,
        lastError: NullableText,
      }),
      messageStates: Type.Unsafe<Partial<Record<MessageState, number>>>({
        type: 'object',
        additionalProperties: { type: 'integer' },
      }),
      messages: Type.Array(MessageSchema),
      history: Type.Array(
        Type.Object({
          at: Type.String(),
          event: Type.String(),
          by: Type.String(),
          detail: NullableText,
          times: Type.Integer(),
        }),
      ),
    },
    { title: 'TransactionDetail' },
  ),
);

export const ProducerGroupSchema = describes<ProducerGroupBody>()(
  Type.Object(
    {
      group: Type.String(),
      checkUrl: NullableText,
      hasSecret: Type.Boolean(),
      check: Type.Object({
        afterMs: Type.Integer(),
        intervalMs: Type.Integer(),
        maxIntervalMs: Type.Integer(),
        limit: Type.Integer(),
        onLimit: Type.Unsafe<'unresolved' | 'rollback'>({ type: 'string', enum: ['unresolved', 'rollback'] }),
      }),
      topics: Type.Unsafe<string[] | null>({ type: ['array', 'null'], items: { type: 'string' } }),
      health: Type.Object({
        lastAnswerAt: NullableText,
        lastError: NullableText,
        overdue: Type.Integer(),
        unresolved: Type.Integer(),
        lastCallMs: NullableInteger,
      }),
    },
    { title: 'ProducerGroup' },
  ),
);

export const ProducerGroupListSchema = Type.Object({ items: Type.Array(ProducerGroupSchema) });

const TopicSchema = describes<TopicBody>()(
  Type.Object(
    {
      topic: Type.String(),
      partitions: NullableInteger,
      waiting: Type.Integer(),
      parked: Type.Integer(),
      lagMs: Type.Integer(),
      lastError: NullableText,
    },
    { title: 'Topic' },
  ),
);

export const TopicListSchema = Type.Object({ items: Type.Array(TopicSchema) });

const keyMembers = {
  prefix: Type.String(),
  role: Type.Unsafe<KeyBody['role']>({ type: 'string', enum: ['producer', 'operator', 'viewer'] }),
  group: NullableText,
  createdAt: Type.String(),
  createdBy: Type.String(),
  reason: NullableText,
  expiresAt: NullableText,
  revokedAt: NullableText,
  revokedBy: NullableText,
  revokedReason: NullableText,
};

export const NewKeySchema = describes<NewKeyBody>()(
  Type.Object({ ...keyMembers, key: Type.String() }, { title: 'NewKey' }),
);

export const KeyListSchema = Type.Object({
  items: Type.Array(describes<KeyBody>()(Type.Object(keyMembers, { title: 'Key' }))),
});

export const CheckTestSchema = Type.Object(
  { ok: Type.Boolean(), status: NullableInteger, tookMs: Type.Integer(), error: NullableText },
  { title: 'CheckTest' },
);

export const RecordsSchema = Type.Object({
  items: Type.Array(
    Type.Object({
      position: Type.Integer(),
      topic: Type.String(),
      partition: Type.Integer(),
      offset: Type.Integer(),
      key: NullableBytes,
      payload: NullableBytes,
      headers: HeadersBody,
      timestamp: Type.String(),
    }),
  ),
  next: NullableInteger,
});

export const LivenessSchema = Type.Object({ status: Type.Literal('ok') });

export const ReadyStatus = Type.Unsafe<StatusBody['status']>({
  type: 'string',
  enum: ['ok', 'degraded', 'unavailable'],
});
export const Checks = Type.Unsafe<StatusBody['checks']>({
  type: 'object',
  additionalProperties: {
    type: 'object',
    properties: { status: { type: 'string' }, detail: { type: 'string' } },
    required: ['status'],
  },
});

export const ReadinessSchema = Type.Object({ status: ReadyStatus, checks: Type.Optional(Checks) });

export const ProblemSchema = describes<Problem>()(
  Type.Object(
    {
      type: Type.String(),
      title: Type.String(),
      status: Type.Integer(),
      detail: Type.String(),
      instance: Type.Optional(Type.String()),
      code: Type.Unsafe<keyof typeof ERRORS>({ type: 'string', enum: Object.keys(ERRORS) }),
      retryable: Type.Boolean(),
      state: Type.Optional(State),
      errors: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
      limitBytes: Type.Optional(Type.Integer()),
      retryAfterMs: Type.Optional(Type.Integer()),
    },
    { title: 'Problem' },
  ),
);

export const BatchAnswerSchema = Type.Object(
  {
    results: Type.Array(
      Type.Object({
        status: Type.Integer(),
        body: Type.Union([TransactionSchema, TransactionListItemSchema, MessageSchema, ProblemSchema]),
      }),
    ),
  },
  { title: 'BatchAnswer' },
);

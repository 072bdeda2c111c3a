/**
 * What the broker accepts, member by member; protocol/wire.ts says the same in types, and the compiler compares.
 * A description completes the sentence "must be …" of a refusal. Schemas with a title are components of the OpenAPI
 * document.
 */
import { Type } from 'typebox';
import type { BatchOperation, KeyInput, PrepareInput, ProducerGroupInput } from '../protocol/wire.ts';
import { CHECK_DURATION_MS, CHECK_LIMIT } from '../transaction/schedule.ts';
import { MAX_MESSAGES } from '../transaction/transaction.ts';
import { MessageInputSchema } from './message-schema.ts';
import { choice, describes, Id, MessageId, nullable, STRICT } from './schema-words.ts';

const MAX_OPERATIONS = 1_000;
const MAX_TOPIC_PATTERNS = 1_000;
const MAX_URL_LENGTH = 2_048;
const MAX_REASON_LENGTH = 500;

/** `whsec_` and the canonical base64 of 24 to 64 bytes: what `secretKey` of protocol/signature.ts takes. */
export const SECRET_PATTERN =
  '^whsec_([A-Za-z0-9+/]{4}){8,20}' +
  '([A-Za-z0-9+/]{4}([A-Za-z0-9+/][AQgw]==)?|[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$';

const duration = { minimum: CHECK_DURATION_MS.min, maximum: CHECK_DURATION_MS.max };

const prepareMembers = {
  id: Type.Optional(Id),
  group: Type.Optional(Id),
  messages: Type.Array(MessageInputSchema, { minItems: 1, maxItems: MAX_MESSAGES }),
  check: Type.Optional(Type.Object({ afterMs: Type.Integer(duration) }, STRICT)),
};

export const PrepareInputSchema = describes<PrepareInput>()(
  Type.Object(prepareMembers, {
    ...STRICT,
    title: 'PrepareInput',
    examples: [
      {
        id: 'transfer-42',
        group: 'bank-a',
        messages: [
          {
            topic: 'transfers',
            key: 'account-17',
            payload: '{"amount":100}',
            headers: { tenant: 'de' },
            contentType: 'application/json',
            type: 'transfer.made',
          },
        ],
      },
      { group: 'bank-a', messages: [{ topic: 'transfers', key: null, payload: { base64: 'AAEC/w==' } }] },
    ],
  }),
);

const Reason = Type.String({
  minLength: 1,
  maxLength: MAX_REASON_LENGTH,
  description: `1 to ${MAX_REASON_LENGTH} characters that say why`,
});

/** With commit and rollback: a reason makes it an operator's act. */
export const ResolveInputSchema = Type.Object({ reason: Type.Optional(Reason) }, { ...STRICT, title: 'ResolveInput' });

/** With check, retry and discard, which are always an operator's acts. */
export const ReasonInputSchema = Type.Object({ reason: Reason }, { ...STRICT, title: 'ReasonInput' });

export const KeyInputSchema = describes<KeyInput>()(
  Type.Object(
    {
      role: choice('producer', 'operator', 'viewer'),
      group: Type.Optional(Id),
      expiresAt: Type.Optional(
        nullable<string>('string', {
          format: 'date-time',
          description: 'an RFC 3339 time like 2026-11-21T10:00:00Z, or null',
        }),
      ),
      reason: Type.Optional(Reason),
    },
    {
      ...STRICT,
      title: 'KeyInput',
      examples: [
        { role: 'producer', group: 'bank-a', reason: 'first key of the service' },
        { role: 'viewer', expiresAt: '2027-11-21T10:00:00Z' },
      ],
    },
  ),
);

const nullableDuration = nullable<number>('integer', duration);

export const ProducerGroupInputSchema = describes<ProducerGroupInput>()(
  Type.Object(
    {
      checkUrl: Type.Optional(
        nullable<string>('string', {
          maxLength: MAX_URL_LENGTH,
          pattern: '^https?://[!-~]+$',
          description: `an absolute http:// or https:// address of at most ${MAX_URL_LENGTH} characters, or null`,
        }),
      ),
      checkSecret: Type.Optional(
        nullable<string>('string', {
          pattern: SECRET_PATTERN,
          description: 'whsec_ and the base64 of 24 to 64 bytes, or null',
        }),
      ),
      check: Type.Optional(
        Type.Unsafe<{
          afterMs?: number | null;
          intervalMs?: number | null;
          maxIntervalMs?: number | null;
          limit?: number | null;
          onLimit?: 'unresolved' | 'rollback' | null;
        } | null>({
          type: ['object', 'null'],
          properties: {
            afterMs: nullableDuration,
            intervalMs: nullableDuration,
            maxIntervalMs: nullableDuration,
            limit: { type: ['integer', 'null'], minimum: CHECK_LIMIT.min, maximum: CHECK_LIMIT.max },
            onLimit: { type: ['string', 'null'], enum: ['unresolved', 'rollback', null] },
          },
          ...STRICT,
        }),
      ),
      topics: Type.Optional(
        nullable<string[]>('array', {
          items: {
            type: 'string',
            pattern: '^[A-Za-z0-9._*-]{1,249}$',
            description: '1 to 249 letters, digits, ".", "_", "-" or "*"',
          },
          minItems: 1,
          maxItems: MAX_TOPIC_PATTERNS,
        }),
      ),
    },
    {
      ...STRICT,
      title: 'ProducerGroupInput',
      examples: [{ checkUrl: 'http://127.0.0.1:8081/escrow/check', check: { afterMs: 6000 }, topics: ['transfers'] }],
    },
  ),
);

type Operation<Op extends BatchOperation['op']> = Extract<BatchOperation, { op: Op }>;

/** One schema for each kind of operation, so that a fault is told against the right one. */
export const OPERATION_SCHEMAS = {
  prepare: describes<Operation<'prepare'>>()(
    Type.Object(
      {
        op: Type.Literal('prepare'),
        ...prepareMembers,
        traceparent: Type.Optional(Type.String()),
        tracestate: Type.Optional(Type.String()),
      },
      { ...STRICT, title: 'PrepareOperation' },
    ),
  ),
  resolve: describes<Operation<'commit' | 'rollback'>>()(
    Type.Object(
      { op: choice('commit', 'rollback'), id: Id, reason: Type.Optional(Reason) },
      { ...STRICT, title: 'ResolveOperation' },
    ),
  ),
  check: describes<Operation<'check'>>()(
    Type.Object({ op: Type.Literal('check'), id: Id, reason: Reason }, { ...STRICT, title: 'CheckOperation' }),
  ),
  parked: describes<Operation<'retry' | 'discard'>>()(
    Type.Object(
      { op: choice('retry', 'discard'), messageId: MessageId, reason: Reason },
      { ...STRICT, title: 'ParkedOperation' },
    ),
  ),
};

/** The envelope alone: what is wrong with one operation is that operation's result. */
export const BatchInputSchema = Type.Object(
  {
    operations: Type.Unsafe<unknown[]>({
      type: 'array',
      minItems: 1,
      maxItems: MAX_OPERATIONS,
      items: {
        anyOf: [{ description: 'Anything else gets a 400 as its own result.' }, ...Object.values(OPERATION_SCHEMAS)],
      },
    }),
  },
  {
    ...STRICT,
    title: 'BatchInput',
    examples: [
      {
        operations: [
          { op: 'prepare', id: 't1', group: 'bank-a', messages: [{ topic: 'transfers', payload: '{"amount":1}' }] },
          { op: 'commit', id: 't0' },
          { op: 'rollback', id: 't9' },
        ],
      },
    ],
  },
);

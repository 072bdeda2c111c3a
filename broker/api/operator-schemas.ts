/** What operators and viewers are answered beside what producers see; as answer-schemas.ts. */
import { Type } from 'typebox';
import type { ActBody, AttentionBody, ParkedMessageBody, StatusBody } from '../protocol/wire.ts';
import { Checks, messageMembers, NullableText, ReadyStatus } from './answer-schemas.ts';
import { describes } from './schema-words.ts';

export const ActListSchema = Type.Object({
  items: Type.Array(
    describes<ActBody>()(
      Type.Object(
        {
          id: Type.Integer(),
          at: Type.String(),
          act: Type.String(),
          by: Type.String(),
          target: NullableText,
          group: NullableText,
          reason: NullableText,
        },
        { title: 'Act' },
      ),
    ),
  ),
  nextCursor: NullableText,
});

const countsOf = <const T extends string>(...names: T[]) =>
  Type.Object(
    Object.fromEntries(names.map(name => [name, Type.Integer()])) as Record<T, ReturnType<typeof Type.Integer>>,
  );

export const StatusSchema = describes<StatusBody>()(
  Type.Object(
    {
      version: Type.String(),
      startedAt: Type.String(),
      now: Type.String(),
      status: ReadyStatus,
      checks: Checks,
      publisher: Type.Unsafe<StatusBody['publisher']>({ type: 'string', enum: ['kafka', 'memory'] }),
      source: Type.String(),
      retentionMs: Type.Integer(),
      transactions: countsOf('prepared', 'committed', 'rolled_back', 'unresolved', 'contradicted'),
      messages: countsOf('held', 'ready', 'forwarded', 'parked', 'discarded', 'dropped'),
      sinceStart: countsOf('prepared', 'committed', 'rolledBack', 'checks', 'forwarded', 'parked'),
      oldest: Type.Object({ prepared: NullableText, ready: NullableText, parked: NullableText }),
      waitingCommands: Type.Integer(),
      disk: countsOf('freeBytes', 'reserveBytes', 'databaseBytes', 'walBytes'),
    },
    { title: 'Status' },
  ),
);

export const ParkedListSchema = Type.Object({
  items: Type.Array(
    describes<ParkedMessageBody>()(
      Type.Object(
        { ...messageMembers, transactionId: Type.String(), group: Type.String(), committedAt: Type.String() },
        { title: 'ParkedMessage' },
      ),
    ),
  ),
  nextCursor: NullableText,
});

const alikeMembers = { lastError: NullableText, count: Type.Integer(), oldestAt: Type.String() };

export const AttentionSchema = describes<AttentionBody>()(
  Type.Object(
    {
      unresolved: Type.Array(Type.Object({ group: Type.String(), ...alikeMembers })),
      parked: Type.Array(Type.Object({ topic: Type.String(), ...alikeMembers })),
      isComplete: Type.Boolean(),
    },
    { title: 'Attention' },
  ),
);

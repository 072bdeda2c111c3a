/** Words that the schemas of requests share. A description completes the sentence "must be …" of a refusal. */
import { type Static, type TSchema, Type } from 'typebox';
import { ID_PATTERN } from '../protocol/wire.ts';

export const STRICT = { additionalProperties: false } as const;

export const choice = <const T extends string>(...values: T[]) => Type.Unsafe<T>({ type: 'string', enum: values });

export const nullable = <T>(type: string, schema: object) => Type.Unsafe<T | null>({ type: [type, 'null'], ...schema });

export const Id = Type.String({ pattern: ID_PATTERN, description: '1 to 64 letters, digits, "_" or "-"' });

export const TopicName = Type.String({
  pattern: '^(?!\\.{1,2}$)[A-Za-z0-9._-]{1,249}$',
  description: 'a topic name: 1 to 249 letters, digits, ".", "_" or "-", and neither "." nor ".."',
});

export const MessageId = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,64}\\.(0|[1-9][0-9]?)$',
  description: 'a message id: {transactionId}.{index}',
});

/** With every optional member made a required one, at any depth: else one that only one side has would not show. */
type Whole<T> = T extends readonly (infer E)[] ? Whole<E>[] : T extends object ? { [K in keyof T]-?: Whole<T[K]> } : T;
type Alike<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
type Same<A, B> = Alike<A, B> extends true ? Alike<Whole<A>, Whole<B>> : false;

/**
 * Has the compiler compare a schema with the type of the protocol that it describes: a member that is in one of them
 * alone makes the argument impossible.
 */
export const describes =
  <T>() =>
  <S extends TSchema>(schema: S & (Same<Static<S>, T> extends true ? unknown : never)): S =>
    schema;

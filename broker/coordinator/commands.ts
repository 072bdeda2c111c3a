/** What can be asked of the coordinator, and what it answers. */
import type { ErrorCode } from '../protocol/errors.ts';
import type { ApiKey, ProducerGroup } from '../store/store.ts';
import type { DigestedMessage } from '../transaction/content.ts';
import type { Message, Transaction } from '../transaction/transaction.ts';

/** A named refusal: a code of the error catalogue, a sentence, and what else the problem carries. */
export interface Refused {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly state?: Transaction['state'];
  readonly limitBytes?: number;
  readonly pointer?: string;
}

export interface PrepareCommand {
  readonly type: 'prepare';
  readonly id: string;
  readonly group: string;
  readonly messages: readonly DigestedMessage[];
  /** From `contentDigest`. */
  readonly digest: Buffer;
  /** First check of this transaction only; null: the group's. */
  readonly afterMs: number | null;
  readonly traceparent: string | null;
  readonly tracestate: string | null;
  /** What speaks against a *new* transaction with this content: sizes, topics. An existing id is looked up before. */
  readonly refusal: Refused | null;
}

export interface ResolveCommand {
  readonly type: 'resolve';
  readonly id: string;
  readonly resolution: 'commit' | 'rollback';
  readonly by: 'producer' | 'operator';
  /** An operator as the history names him, e.g. `operator:emq_0123456789ab`. Default: `by`. */
  readonly who?: string;
  readonly reason: string | null;
  /** A transaction of any other group is unknown to whoever asks. */
  readonly within?: string | null;
}

/** An operator wants the producer group asked now. */
export interface AskCommand {
  readonly type: 'ask';
  readonly id: string;
  /** As of a ResolveCommand; default `operator`. */
  readonly who?: string;
  readonly reason: string;
}

/** What to do about a parked message. */
export interface ParkedCommand {
  readonly type: 'retry' | 'discard';
  readonly messageId: string;
  /** As of a ResolveCommand; default `operator`. */
  readonly who?: string;
  readonly reason: string;
}

/** What came of a check. `none`: no answer, for the reason given. `nobody`: the group has no check address. */
export interface AnswerCommand {
  readonly type: 'answer';
  readonly id: string;
  readonly answer: 'commit' | 'rollback' | 'unknown' | 'none' | 'nobody';
  readonly error: string | null;
}

/** What came of a send, one message each. */
export type SentCommand =
  | { readonly type: 'forwarded'; readonly transactionId: string; readonly index: number; readonly offset: number }
  | { readonly type: 'park'; readonly transactionId: string; readonly index: number; readonly error: string };

/** Fixes the partition of a ready message that has none, by the topic's stored number of partitions. */
export interface AssignCommand {
  readonly type: 'assign';
  readonly transactionId: string;
  readonly index: number;
}

/** Forgets a transaction that ended before `endedBefore` (ms since 1970); any other stays. */
export interface PurgeCommand {
  readonly type: 'purge';
  readonly id: string;
  readonly endedBefore: number;
}

export interface PutGroupCommand {
  readonly type: 'put_group';
  readonly group: ProducerGroup;
  /** The operator whose act it is; left out or null: it is nobody's, as where a producer updates its own group. */
  readonly who?: string | null;
}

/** Stores a new key, and the group of a producer key where it is missing. */
export interface CreateKeyCommand {
  readonly type: 'create_key';
  /** `createdAt` is the time of the commit. */
  readonly key: Omit<ApiKey, 'createdAt' | 'revokedAt' | 'revokedBy' | 'revokedReason'>;
  /** Whoever asks has no key himself: the first key of all must be an operator's. */
  readonly isFromAnybody: boolean;
}

export interface RevokeKeyCommand {
  readonly type: 'revoke_key';
  readonly prefix: string;
  readonly who: string;
  readonly reason: string | null;
}

/** A copy of the store is about to be made. */
export interface BackupCommand {
  readonly type: 'backup';
  readonly who: string;
  readonly reason: string;
}

/** How the last call to a group went: `error` null means that it answered. */
export interface GroupHealthCommand {
  readonly type: 'group_health';
  readonly group: string;
  readonly error: string | null;
}

/** Kafka was asked how many partitions the topic has. A new number is taken over as `Topic.barrier` says. */
export interface TopicSeenCommand {
  readonly type: 'topic_seen';
  readonly topic: string;
  readonly partitions: number;
}

/** Everything before the barrier is forwarded or parked. */
export interface ClearBarrierCommand {
  readonly type: 'clear_barrier';
  readonly topic: string;
}

export type Command =
  | PrepareCommand
  | ResolveCommand
  | AskCommand
  | ParkedCommand
  | AnswerCommand
  | SentCommand
  | AssignCommand
  | PurgeCommand
  | PutGroupCommand
  | CreateKeyCommand
  | RevokeKeyCommand
  | BackupCommand
  | GroupHealthCommand
  | TopicSeenCommand
  | ClearBarrierCommand;

/**
 * - `done`: carried out and durable. `changed` is false where everything stood like that already. `transaction` is the
 *   state as it now is (absent for commands that are not about one), `message` the one a ParkedCommand was about.
 * - `refused`: nothing was changed, but for the mark that two systems disagree.
 */
export type Outcome =
  | { readonly kind: 'done'; readonly changed: boolean; readonly transaction?: Transaction; readonly message?: Message }
  | { readonly kind: 'refused'; readonly refused: Refused };

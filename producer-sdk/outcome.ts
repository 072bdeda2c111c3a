/** What callers of the producer are told where nothing went wrong. */

/**
 * `acknowledged`: the broker has it durably and will bring it to Kafka. `pending`: the broker was not reached in time; its
 * check-back will learn of it. `none`: there was no message.
 */
export type Delivery = 'acknowledged' | 'pending' | 'none';

/** A transaction that has committed in the database. */
export type Completed<T> = { readonly id: string; readonly delivery: Delivery } & (
  | { readonly repeated: false; readonly value: T }
  /** It had happened before under this id: the function did not run, and what it returned then is not known. */
  | { readonly repeated: true; readonly value: undefined }
);

/** What became of a transaction that was begun elsewhere. */
export interface Settled {
  readonly id: string;
  readonly outcome: 'committed' | 'rolled_back';
  readonly delivery: Delivery;
}

/** Where there is no SQL database: the author's own way to find out what became of a transaction. */
import type { Resolution } from '../../broker/protocol/wire.ts';
import { Limit } from '../../local-transaction/connection.ts';
import type { FencedWork, VerdictSource } from './fence.ts';
import type { Found } from './fence-table.ts';

/**
 * Says what became of the transaction: `commit` or `rollback` only where that can never change any more, `unknown` where
 * it may still be running. Throwing is no answer. Nothing guards it: an answer `rollback` while the transaction has not
 * begun yet, or is still under way, loses its messages.
 */
export type WrittenCheck = (id: string) => Promise<Resolution> | Resolution;

export class WrittenChecks implements VerdictSource<undefined> {
  readonly needsMessagesFirst = true;
  readonly #check: WrittenCheck;

  constructor(check: WrittenCheck) {
    this.#check = check;
  }

  async assertReady(): Promise<void> {}
  assertIdle(): void {}
  async close(): Promise<void> {}

  async run<T>({ checkAge, business, timeoutMs, signal }: FencedWork<undefined, T>): Promise<T> {
    checkAge();
    const limit = new Limit(timeoutMs, signal);
    try {
      return await Promise.race([(async () => business(undefined))(), limit.reached]);
    } finally {
      limit.lift();
    }
  }

  async look(id: string, withinMs: number): Promise<Found | null> {
    const limit = new Limit(withinMs, undefined);
    try {
      const answer = await Promise.race([(async () => this.#check(id))(), limit.reached]);
      return answer === 'commit' || answer === 'rollback' ? { outcome: answer, token: '' } : null;
    } finally {
      limit.lift();
    }
  }

  decide(id: string, _token: string, withinMs: number): Promise<Found | null> {
    return this.look(id, withinMs);
  }

  async judge(ids: readonly string[], withinMs: number): Promise<Map<string, Resolution>> {
    const answers = new Map<string, Resolution>();
    const judging = ids.map(async id => {
      const answer = await this.#check(id);
      if (answer === 'commit' || answer === 'rollback' || answer === 'unknown') answers.set(id, answer);
    });
    const limit = new Limit(withinMs, undefined);
    await Promise.race([Promise.allSettled(judging), limit.reached.catch(() => {})]);
    limit.lift();
    return new Map(answers);
  }
}

/** Transactions that were prepared for a tool of the user's, from then until they are settled. */
import { PREPARE_WINDOW_MS } from './client/dispatcher.ts';
import type { TransactionDraft } from './client/operation-text.ts';
import { clock, type Moment } from './clock.ts';
import { TooLateError } from './producer-errors.ts';

export interface Opening {
  readonly draft: TransactionDraft;
  readonly firstSentAt: Moment;
}

export class Openings {
  /** In the order of their making. */
  readonly #openings = new Map<string, Opening>();
  /** Too old to begin or to be sent again; nothing but their ids is left. */
  readonly #expired = new Set<string>();

  add(id: string, draft: TransactionDraft): void {
    if (!this.#openings.has(id)) this.#openings.set(id, { draft, firstSentAt: clock.moment() });
    for (const [old, { firstSentAt }] of this.#openings) {
      if (clock.ageMs(firstSentAt) <= PREPARE_WINDOW_MS) return;
      this.#openings.delete(old);
      this.#expired.add(old);
    }
  }

  /** What is not known here was prepared by nobody yet, or elsewhere. */
  checkAge(id: string): void {
    const opening = this.#openings.get(id);
    const isLate = opening !== undefined && clock.ageMs(opening.firstSentAt) > PREPARE_WINDOW_MS;
    if (isLate || this.#expired.has(id)) throw new TooLateError(id);
  }

  take(id: string): Opening | undefined {
    const opening = this.#openings.get(id);
    this.#openings.delete(id);
    this.#expired.delete(id);
    return opening;
  }
}

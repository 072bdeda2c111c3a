/** Transactions that were prepared for a tool of the user's, from then until they are settled. */
import { PREPARE_WINDOW_MS } from './client/dispatcher.ts';
import type { TransactionDraft } from './client/operation-text.ts';
import { clock, type Moment } from './clock.ts';
import { TooLateError } from './producer-errors.ts';

export interface Opening {
  /** Null: too old to be sent again. */
  draft: TransactionDraft | null;
  readonly firstSentAt: Moment;
}

export class Openings {
  /** In the order of their making. */
  readonly #openings = new Map<string, Opening>();

  add(id: string, draft: TransactionDraft): void {
    if (!this.#openings.has(id)) this.#openings.set(id, { draft, firstSentAt: clock.moment() });
    // The times stay, so that claims that come too late are refused; the content is not sent again.
    for (const opening of this.#openings.values()) {
      if (opening.draft === null) continue;
      if (clock.ageMs(opening.firstSentAt) <= PREPARE_WINDOW_MS) return;
      opening.draft = null;
    }
  }

  /** What is not known here was prepared by nobody yet, or elsewhere. */
  checkAge(id: string): void {
    const opening = this.#openings.get(id);
    if (opening && clock.ageMs(opening.firstSentAt) > PREPARE_WINDOW_MS) throw new TooLateError(id);
  }

  take(id: string): Opening | undefined {
    const opening = this.#openings.get(id);
    this.#openings.delete(id);
    return opening;
  }
}

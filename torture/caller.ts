/** Those who want money sent: ask one of the banks A, and write down what they are told. */
import type { History } from './history.ts';
import type { KeptProcess } from './kept-process.ts';
import type { PlannedTransfer } from './plan.ts';

/** Longer than the SDK's own deadline. */
const ANSWER_WITHIN_MS = 60_000;
const MOST_CALLS = 3;

interface Answer {
  readonly outcome: string;
  readonly repeated?: boolean;
  readonly delivery?: string;
  readonly error?: { readonly message: string; readonly code?: string };
}

const UNCERTAIN = new Set(['OUTCOME_UNKNOWN', 'OUTCOME_CONTRADICTED']);

export class Caller {
  /** Transfers about which nothing more will be asked. */
  ended = 0;
  readonly #banks: readonly KeptProcess[];
  readonly #history: History;
  #next = 0;

  constructor(banks: readonly KeptProcess[], history: History) {
    this.#banks = banks;
    this.#history = history;
  }

  /** So many callers at the same time; resolves when the last has ended. `onEnd` is called after each transfer. */
  async makeAll(transfers: readonly PlannedTransfer[], callers: number, onEnd: () => void): Promise<void> {
    const queue = transfers.values();
    const call = async (): Promise<void> => {
      for (const transfer of queue) {
        await this.#make(transfer);
        this.ended += 1;
        onEnd();
      }
    };
    await Promise.all(Array.from({ length: callers }, call));
  }

  async #make(transfer: PlannedTransfer): Promise<void> {
    for (let calls = 1; ; calls++) {
      this.#history.write({ event: 'invoke', id: transfer.id });
      const isKnown = await this.#call(transfer);
      if (isKnown || !transfer.isRepeated || calls === MOST_CALLS) return;
    }
  }

  /** Resolves with whether the caller was told how it ended. */
  async #call({ id, from, to, amount }: PlannedTransfer): Promise<boolean> {
    let response: Response;
    let answer: Answer;
    try {
      response = await this.#ask(JSON.stringify({ id, from, to, amount }));
      answer = (await response.json()) as Answer;
    } catch (error) {
      this.#history.write({ event: 'info', id, code: (error as Error).name });
      return false;
    }
    if (response.ok) {
      const { repeated = false, delivery = '' } = answer;
      this.#history.write({ event: 'ok', id, repeated, delivery });
      return true;
    }
    const { code = answer.error?.message ?? 'none' } = answer.error ?? {};
    const isKnown = !UNCERTAIN.has(code);
    this.#history.write({ event: isKnown ? 'fail' : 'info', id, code });
    return isKnown;
  }

  #up(): Promise<string> {
    this.#next += 1;
    const up = this.#banks.filter(({ url }) => url !== null);
    return up.length > 0 ? up[this.#next % up.length]!.up() : Promise.race(this.#banks.map(bank => bank.up()));
  }

  /** At a bank that is up; one that is down has heard nothing. */
  async #ask(body: string): Promise<Response> {
    for (;;) {
      const url = await this.#up();
      try {
        const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
        return await fetch(`${url}/transfer`, { method: 'POST', body, signal });
      } catch (error) {
        const { cause } = error as { cause?: { code?: string } };
        if (cause?.code !== 'ECONNREFUSED') throw error;
      }
    }
  }
}

/** What the two banks hold, asked in an order in which nothing can be missed. */
import type { Entry } from './checker.ts';
import { openSnapshots, type Snapshots } from './snapshots.ts';

const SUM = 'select sum(balance) from accounts';
const FENCE = 'select transaction_id, outcome from escrow_fence';
const INBOX = 'select message_id from escrow_inbox';
const ENTRIES = 'select transfer, amount from entries';

export interface Sample {
  readonly a: number;
  readonly b: number;
  /** Committed in A, and not in B's inbox. */
  readonly underWay: number;
}

export interface Holdings {
  readonly a: {
    readonly sum: number;
    readonly fence: readonly { readonly id: string; readonly outcome: string }[];
    readonly entries: readonly Entry[];
  };
  readonly b: { readonly sum: number; readonly inbox: readonly string[]; readonly entries: readonly Entry[] };
}

const first = (row: readonly unknown[]): string => String(row[0]);
const entry = ([transfer, amount]: readonly unknown[]): Entry => ({
  transfer: String(transfer),
  amount: Number(amount),
});

export class BothBanks {
  readonly #a: Snapshots;
  readonly #b: Snapshots;

  private constructor(a: Snapshots, b: Snapshots) {
    this.#a = a;
    this.#b = b;
  }

  static async open(addresses: { readonly a: string; readonly b: string }): Promise<BothBanks> {
    return new BothBanks(await openSnapshots(addresses.a), await openSnapshots(addresses.b));
  }

  /** B before A: whatever B has at its moment, A has at its later one, so what is between is what A has and B has not. */
  async sample(amounts: ReadonlyMap<string, number>): Promise<Sample> {
    const [sumB, inbox] = await this.#b.take([SUM, INBOX]);
    const [sumA, fenced] = await this.#a.take([SUM, `${FENCE} where outcome = 'commit'`]);
    const arrived = new Set(inbox!.map(row => first(row).replace(/\.0$/, '')));
    const between = new Set(fenced!.map(first).filter(id => !arrived.has(id)));
    let underWay = 0;
    for (const id of between) underWay += amounts.get(id) ?? 0;
    return { a: Number(sumA![0]![0]), b: Number(sumB![0]![0]), underWay };
  }

  /** How many messages bank B has handled. */
  async arrived(): Promise<ReadonlySet<string>> {
    const [inbox] = await this.#b.take([INBOX]);
    return new Set(inbox!.map(first));
  }

  async everything(): Promise<Holdings> {
    const [sumB, inbox, entriesB] = await this.#b.take([SUM, INBOX, ENTRIES]);
    const [sumA, fence, entriesA] = await this.#a.take([SUM, FENCE, ENTRIES]);
    return {
      a: {
        sum: Number(sumA![0]![0]),
        fence: fence!.map(([id, outcome]) => ({ id: String(id), outcome: String(outcome) })),
        entries: entriesA!.map(entry),
      },
      b: { sum: Number(sumB![0]![0]), inbox: inbox!.map(first), entries: entriesB!.map(entry) },
    };
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#a.close(), this.#b.close()]);
  }
}

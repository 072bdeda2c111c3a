/** The judge of a broker whose clock was set again and again: what was asked, forgotten and given up. */

export interface Seen {
  readonly id: string;
  readonly state: string;
  readonly unresolved: boolean;
  readonly check: { readonly attempts: number };
}

export interface Asking {
  /** The shortest time from one check of a transaction to its next, in milliseconds. */
  readonly intervalMs: number;
  /** Undecided ones, which every check answered with `unknown`, far fewer times than their limit. */
  readonly undecided: readonly Seen[];
}

export interface Clocked {
  /** Ids in the order asked, all groups together. */
  readonly asked: readonly string[];
  /** Of the steady clock, from the first check to the last look. */
  readonly tookMs: number;
  /** How often the wall clock was set forward: each may bring every check a turn early, once. */
  readonly forward: number;
}

/** One that ends just before the first look, and one that is under way at the last. */
const ENDS = 2;

export const judgeAsking = ({ intervalMs, undecided }: Asking, { asked, tookMs, forward }: Clocked): string[] => {
  const times = new Map<string, number>();
  for (const id of asked) times.set(id, (times.get(id) ?? 0) + 1);
  const most = Math.floor(tookMs / intervalMs) + forward + ENDS;
  const anomalies: string[] = [];
  for (const { id, state, unresolved, check } of undecided) {
    const asks = times.get(id) ?? 0;
    if (state !== 'prepared') anomalies.push(`${id} is undecided, and is ${state}`);
    if (unresolved) anomalies.push(`${id} is given up as unresolved after ${check.attempts} answers`);
    if (check.attempts > asks)
      anomalies.push(`${id} was asked ${asks} times, and ${check.attempts} answers are counted`);
    if (asks > most)
      anomalies.push(`${id} was asked ${asks} times in ${Math.round(tookMs)} ms, ${most} at most were due`);
  }
  return anomalies;
};

/** Ages below nothing, and whatever else cannot be less. `gauges`: of /metrics, by name with labels. */
export const judgeGauges = (gauges: ReadonlyMap<string, number>): string[] =>
  [...gauges]
    .filter(([name, value]) => name.startsWith('escrowmq_') && !(value >= 0))
    .map(([name, value]) => `${name} is ${value}`);

/** What a promise is put to the test with. Each lives in a file of proofs/ and is named in proofs/all.ts. */
import type { PlantedFault } from './planted-fault.ts';

export interface ProofOptions {
  /** `short` fits into the tests, a minute at most; `full` is what docs/reliability.md shows. */
  readonly size: 'short' | 'full';
  /** What is left to chance follows from it. */
  readonly seed: number;
  /** One of the proof's own, which must turn it red. */
  readonly fault: PlantedFault | null;
  /** Empty, on a disk, and removed afterwards. */
  readonly folder: string;
  /** How far it is, for whoever looks on. */
  say(line: string): void;
}

export interface Finding {
  /** What was counted or measured, in the words of the page: `{ cuts: 15, 'acknowledged before each': '10,412…' }`. */
  readonly figures: Readonly<Record<string, number | string>>;
  /** Each a sentence that names the id, the state and what it should have been. Empty: the promise held. */
  readonly anomalies: readonly string[];
  /** Figures asked for that were not reached, a sentence each; the promise may hold all the same. */
  readonly missed?: readonly string[];
}

export interface Proof {
  /** P1 … P20. */
  readonly promise: string;
  readonly sentence: string;
  /** What is done to it. */
  readonly how: string;
  /** The figure to reach, at full size. */
  readonly target: string;
  readonly faults: readonly PlantedFault[];
  /** What this machine lacks for it, in a sentence; null: it runs here. */
  lacks(): string | null;
  /** Rejects where the proof itself could not be had; whether the promise held is for the finding to say. */
  run(options: ProofOptions): Promise<Finding>;
}

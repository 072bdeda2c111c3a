/** Every promise that has a proof here, in the order of docs/reliability.md. */
import type { Proof } from '../proof.ts';

export const PROOFS: readonly Proof[] = [];

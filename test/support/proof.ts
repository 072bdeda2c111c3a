/** A proof of torture/proofs at its short size, and each of its faults, as tests. */
import t from 'tap';
import type { Proof } from '../../torture/proof.ts';
import { runProof } from '../../torture/proofs-command.ts';

const SEED = 20_261_121;

/** To be called by a test file of its own: proofs start many processes. */
export const testProof = (proof: Proof): void => {
  const lack = proof.lacks();
  const skip = lack === null ? {} : { skip: lack };
  t.test(`${proof.promise}: ${proof.sentence}`, skip, async t => {
    const { figures, anomalies } = await runProof(proof, { size: 'short', seed: SEED, fault: null, say: () => {} });
    t.same(anomalies, [], JSON.stringify(figures));
  });
  for (const fault of proof.faults) {
    t.test(`${proof.promise}, planted: ${fault.what}`, skip, async t => {
      const { anomalies } = await runProof(proof, { size: 'short', seed: SEED, fault, say: () => {} });
      t.not(anomalies.length, 0, anomalies[0] ?? 'it was not found');
    });
  }
};

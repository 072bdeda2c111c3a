/** `npm run torture -- P1 P7 …`: puts promises to the test, round after round. */
import { parseArgs } from 'node:util';
import { temporaryFolder } from '../tools/kafka/folder.ts';
import { oneOf, wholeNumber } from './arguments.ts';
import type { PlantedFault } from './planted-fault.ts';
import { type Outcome, recordOutcome } from './promise-sheet.ts';
import type { Finding, Proof, ProofOptions } from './proof.ts';
import { PROOFS } from './proofs/all.ts';

const SIZES = ['short', 'full'] as const;

export const PROOFS_HELP = `Promises put to the test, with real processes.

  npm run torture -- --rounds N [options]      all of them, N times
  npm run torture -- P1 P7 … [options]         some of them

  --rounds N         how often (1); each round has the next seed
  --seed S           what is left to chance (the time)
  --size NAME        ${SIZES.join(' or ')} (short): a round of short ones takes minutes, a full one hours
  --fault NAME       plant this fault, which must turn its promise red
  --faults           plant each of their faults, one after another, besides
  --record           keep the outcome in torture/results, and render docs/reliability.md

  ${PROOFS.map(({ promise, sentence }) => `${promise.padEnd(5)}${sentence}`).join('\n  ')}
`;

interface Wanted {
  readonly proofs: readonly Proof[];
  readonly rounds: number;
  readonly seed: number;
  readonly size: ProofOptions['size'];
  readonly fault: PlantedFault | null;
  readonly withFaults: boolean;
  readonly isRecorded: boolean;
}

const wantedIn = (args: string[]): Wanted => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '1' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
      size: { type: 'string', default: 'short' },
      fault: { type: 'string' },
      faults: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
    },
  });
  const proofOf = (word: string): Proof => {
    const found = PROOFS.find(({ promise }) => promise === word.toUpperCase());
    if (found === undefined) throw new RangeError(`There is no proof of ${word}.`);
    return found;
  };
  const named = positionals.length === 0 ? PROOFS : positionals.map(proofOf);
  const all = named.flatMap(({ faults }) => faults);
  const fault = values.fault === undefined ? null : all.find(({ name }) => name === values.fault);
  if (fault === undefined) throw new RangeError(`--fault must be one of ${all.map(({ name }) => name).join(', ')}.`);
  return {
    // A fault is for the promise that it breaks.
    proofs: fault === null ? named : named.filter(({ faults }) => faults.includes(fault)),
    rounds: wholeNumber('rounds', values.rounds),
    seed: wholeNumber('seed', values.seed),
    size: oneOf('size', SIZES, values.size),
    fault,
    withFaults: values.faults,
    isRecorded: values.record,
  };
};

const commandOf = ({ promise }: Proof, size: string, seed: number, fault: PlantedFault | null): string =>
  `npm run torture -- ${promise} --size ${size} --seed ${seed}${fault === null ? '' : ` --fault ${fault.name}`}`;

/** In a folder of its own. */
export const runProof = async (proof: Proof, options: Omit<ProofOptions, 'folder'>): Promise<Finding> => {
  const folder = temporaryFolder('escrowmq-proof-');
  try {
    return await proof.run({ ...options, folder: folder.path });
  } finally {
    folder.remove();
  }
};

const SHOWN = 20;

const tell = (proof: Proof, { figures, anomalies, missed = [] }: Finding, command: string): void => {
  console.log(`${anomalies.length === 0 ? 'HELD' : 'BROKEN'}  ${proof.promise}: ${proof.sentence}`);
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name}: ${value}`);
  for (const sentence of missed) console.log(`  not reached: ${sentence}`);
  for (const anomaly of anomalies.slice(0, SHOWN)) console.log(`  ${anomaly}`);
  if (anomalies.length > SHOWN) console.log(`  … and ${anomalies.length - SHOWN} more`);
  console.log(`  again: ${command}`);
};

/** The planted faults that were not found. */
const plantAll = async (proof: Proof, seed: number): Promise<{ found: string[]; overlooked: string[] }> => {
  const [found, overlooked]: [string[], string[]] = [[], []];
  for (const fault of proof.faults) {
    const { anomalies } = await runProof(proof, { size: 'short', seed, fault, say: console.log });
    (anomalies.length > 0 ? found : overlooked).push(fault.name);
    console.log(`  planted ${fault.name}: ${anomalies[0] ?? 'NOT FOUND'}`);
  }
  return { found, overlooked };
};

/** Exit code 0: what ran here held, 1: something did not. Throws where the arguments are wrong. */
export const proofsCommand = async (args: string[]): Promise<number> => {
  const { proofs, rounds, seed: first, size, fault, withFaults, isRecorded } = wantedIn(args);
  let isBroken = false;
  for (let round = 0; round < rounds; round++) {
    const seed = first + round;
    for (const proof of proofs) {
      const lack = proof.lacks();
      if (lack !== null) {
        console.log(`SKIPPED  ${proof.promise}: ${lack}`);
        continue;
      }
      const command = commandOf(proof, size, seed, fault);
      const began = performance.now();
      const finding = await runProof(proof, { size, seed, fault, say: console.log });
      const seconds = Math.round((performance.now() - began) / 1_000);
      tell(proof, finding, command);
      const planted = withFaults ? await plantAll(proof, seed) : { found: [], overlooked: [] };
      isBroken ||= finding.anomalies.length > 0 || planted.overlooked.length > 0;
      const outcome: Outcome = { promise: proof.promise, command, size, seconds, ...finding, planted };
      if (isRecorded) recordOutcome(outcome);
    }
  }
  return isBroken ? 1 : 0;
};

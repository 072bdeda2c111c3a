/** P11: a model of the contract, and every request up to five times. */
import { join } from 'node:path';
import { runRepeats } from '../model/repeats.ts';
import type { PlantedFault } from '../planted-fault.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';

const SIZES = { short: { runs: 4, commands: 100 }, full: { runs: 40, commands: 200 } } as const;
/** A full run takes no longer. */
const MOST_MS = 4 * 60_000;

const faults: readonly PlantedFault[] = [
  {
    name: 'remembered-in-memory-only',
    what: 'which content an id stands for is remembered in memory only: after a restart a repeat is a stranger',
    file: 'broker/store/sqlite-writer.ts',
    from: 'this.#sql.insertTransaction.run(sequence, id, groupId, digest,',
    to: 'this.#sql.insertTransaction.run(sequence, id, groupId, Buffer.alloc(32),',
  },
  {
    name: 'repeat-resolves-anew',
    what: 'a commit that is repeated counts as a new one',
    file: 'broker/transaction/state-machine.ts',
    from: "commit: 'same',\n    rollback: 'ALREADY_COMMITTED'",
    to: "commit: 'committed',\n    rollback: 'ALREADY_COMMITTED'",
  },
];

const run = async ({ size, seed, fault, folder }: ProofOptions): Promise<Finding> => {
  const { runs, commands } = SIZES[size];
  const end = performance.now() + MOST_MS;
  const isLate = (): boolean => performance.now() > end;
  const found = await runRepeats({ runs, commands, seed, fault, dataDir: join(folder, 'data'), isLate });
  return {
    figures: {
      'random lives': found.runs,
      requests: found.requests,
      'calls (a batch is one)': found.calls,
      'kill -9 between or during repeats': found.kills,
      'calls that were never answered': found.unanswered,
    },
    anomalies: found.anomalies,
    missed:
      found.anomalies.length === 0 && found.runs < runs
        ? [`${found.runs} of ${runs} random lives in ${MOST_MS / 60_000} minutes.`]
        : [],
  };
};

export const P11: Proof = {
  promise: 'P11',
  sentence: 'Repeating any call is safe.',
  how: `random requests, single and in batches, each sent one to five times: at once, one after another, around kill -9
    and while it happens. A model of the contract says what every one of them must be answered`.replaceAll(/\s+/g, ' '),
  target: 'each request 1–5 times, at once and across restarts; 0 divergent results',
  faults,
  lacks: () => null,
  run,
};

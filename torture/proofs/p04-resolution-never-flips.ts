/** P4: every state of the model, and races over HTTP against a broker that is killed in between. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../model/program.ts';
import { runRaces } from '../model/races.ts';
import type { PlantedFault } from '../planted-fault.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';

const EXPLORER = new URL('../model/explore.ts', import.meta.url);
const DEPTH = 10;
/** `short`: one message a transaction, and 20,000 calls; `full`: two, and a million. */
const MESSAGES = { short: 1, full: 2 };
const CALLS = { short: 20_000, full: 1_000_000 };
/** A full run takes no longer, and says how far it came. */
const RACE_MS = 3.5 * 60_000;

const STATE_MACHINE = 'broker/transaction/state-machine.ts';

const faults: readonly PlantedFault[] = [
  {
    name: 'last-writer-wins',
    what: 'a commit or rollback that comes later replaces the standing one',
    file: STATE_MACHINE,
    from: 'const cell = TRANSACTION_TABLE[transaction.state][event.type];',
    to: `const cell = { commit: 'committed', rollback: 'rolled_back' }[event.type]
      ?? TRANSACTION_TABLE[transaction.state][event.type];`,
  },
  {
    name: 'blind-within-a-commit',
    what: 'two that decide at the same moment, and so in one commit of the store, do not see each other',
    file: 'broker/coordinator/working-set.ts',
    from: 'return this.#current.get(id) ?? this.#loaded.transactions.get(id);',
    to: 'return this.#loaded.transactions.get(id) ?? this.#current.get(id);',
  },
];

interface Explored {
  readonly name: string;
  readonly states: number;
  readonly steps: number;
  readonly depth: number;
  readonly anomalies: readonly string[];
  readonly cells: readonly (readonly [string, string])[];
}

/** The tables as the search met them, in the form in which ARCHITECTURE.md prints them. */
const rowsOf = (cells: Explored['cells']): string[] => {
  const found = new Map(cells);
  const row = (state: string, events: string): string =>
    `| \`${state}\` | ${events
      .split(' ')
      .map(event => found.get(`${state} ${event}`) ?? 'same')
      .join(' | ')} |`;
  return [
    ...['prepared', 'committed', 'rolled_back'].map(state =>
      row(state, 'commit rollback unknown no_answer nobody_to_ask ask'),
    ),
    ...['held', 'ready', 'parked', 'forwarded', 'discarded', 'dropped'].map(state =>
      row(state, 'commit rollback forward park retry discard'),
    ),
  ];
};

const search = async ({ size, fault, say }: ProofOptions): Promise<Finding> => {
  const explored = await runProgram<Explored[]>(EXPLORER, [DEPTH, MESSAGES[size]], fault);
  const anomalies = explored.flatMap(({ name, anomalies }) => anomalies.map(one => `with onLimit ${name}, ${one}`));
  const architecture = readFileSync('ARCHITECTURE.md', 'utf8');
  for (const row of rowsOf(explored[0]!.cells)) {
    say(row);
    if (anomalies.length === 0 && !architecture.includes(row)) anomalies.push(`ARCHITECTURE.md does not say: ${row}`);
  }
  const sum = (name: 'states' | 'steps'): number => explored.reduce((all, one) => all + one[name], 0);
  const figures = {
    'states of the model': sum('states'),
    'commits tried in them': sum('steps'),
    'depth asked for': DEPTH,
    'nothing new behind depth': Math.max(...explored.map(({ depth }) => depth)),
  };
  return { figures, anomalies };
};

const run = async (options: ProofOptions): Promise<Finding> => {
  const { size, seed, fault, folder, say } = options;
  const searched = await search(options);
  const end = performance.now() + RACE_MS;
  const calls = CALLS[size];
  const isLate = (): boolean => performance.now() > end;
  const raced = await runRaces({ calls, seed, fault, dataDir: join(folder, 'data'), say, isLate });
  const winners = Object.entries(raced.winners).map(([who, count]) => `${who} ${count}`);
  return {
    figures: {
      ...searched.figures,
      'racing calls': raced.calls,
      'about transactions': raced.transactions,
      'refused with the standing resolution': raced.refused,
      'won by': winners.join(', '),
      'kill -9': raced.kills,
    },
    anomalies: [...searched.anomalies, ...raced.anomalies],
    missed: raced.calls >= calls ? [] : [`${raced.calls} of ${calls} racing calls in ${RACE_MS / 60_000} minutes.`],
  };
};

export const P4: Proof = {
  promise: 'P4',
  sentence: 'A resolution never flips.',
  how: `an exhaustive search of what producers, checks, operators, the forwarder and the broom can do to a transaction,
    two at a time, whoever was told of it or not; and calls about the same transactions at once, over HTTP, while a
    check-back answers and the broker is killed`.replaceAll(/\s+/g, ' '),
  target: 'depth 10; 1,000,000 racing calls; 0 flips; the opposite call is always answered 409',
  faults,
  lacks: () => null,
  run,
};

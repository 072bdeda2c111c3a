/** The judge of an overload: what the load was told, against what is stored. */
import type { ArrivalsReport, OperationCounts } from '../../bench/load/messages.ts';
import type { Stored } from '../stored.ts';
import type { Told } from './polite.ts';

/** The broker lets in no more than this. */
const LONGEST_LINE = 40_000;

/** What somebody sees who looks on. */
export interface Sight {
  lists: number;
  refusedLists: number;
  longestLine: number;
  readonly wrong: string[];
}

interface Overloaded {
  /** Of the greedy groups, one after another. */
  readonly floods: readonly Pick<ArrivalsReport, 'prepare' | 'commit'>[];
  readonly polite: Pick<Told, 'states' | 'refused' | 'refusedCommits' | 'wrong'>;
  readonly sight: Sight;
}

/** What the load was told, against what is stored. */
export const judgeOverload = (
  { floods, polite, sight }: Overloaded,
  stored: readonly Pick<Stored, 'id' | 'group' | 'state'>[],
): string[] => {
  const anomalies = [...polite.wrong, ...sight.wrong];
  const sum = (name: 'prepare' | 'commit', what: keyof OperationCounts): number =>
    floods.reduce((all, flood) => all + flood[name][what], 0);
  const expect = (isSo: boolean, sentence: string): void => {
    if (!isSo) anomalies.push(sentence);
  };
  for (const name of ['prepare', 'commit'] as const) {
    const mute = sum(name, 'overloaded') - sum(name, 'withRetryAfter');
    expect(mute === 0, `${mute} refusals of a ${name} do not say when to come again`);
    const other = sum(name, 'other');
    expect(other === 0, `${other} times a ${name} was answered with neither success nor 429 or 503`);
  }
  const refusedCommits = sum('commit', 'overloaded') + polite.refusedCommits;
  expect(refusedCommits === 0, `${refusedCommits} commits were refused: new transactions left them no room`);
  const refused = sum('prepare', 'overloaded');
  expect(refused === 0 || sight.refusedLists > 0, `${refused} prepares were refused, and none of ${sight.lists} lists`);
  expect(sight.longestLine <= LONGEST_LINE, `${sight.longestLine} commands waited at once`);

  const greedy = stored.filter(({ group }) => group !== 'polite');
  expect(
    greedy.length === sum('prepare', 'accepted'),
    `${sum('prepare', 'accepted')} prepares were accepted, ${greedy.length} are stored`,
  );
  const committed = greedy.filter(({ state }) => state === 'committed').length;
  expect(
    committed === sum('commit', 'accepted'),
    `${sum('commit', 'accepted')} commits were accepted, ${committed} are stored`,
  );

  const states = new Map(stored.map(({ id, state }) => [id, state]));
  for (const [id, state] of polite.states) {
    const now = states.get(id) ?? 'not known';
    expect(now === state || (now === 'committed' && state === 'prepared'), `${id} was told ${state}, and is ${now}`);
  }
  for (const id of polite.refused) expect(!states.has(id), `${id} was refused, and is stored`);
  return anomalies;
};

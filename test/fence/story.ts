/** What happened in one run, as far as the promise is about it. */
import type { Found } from '../../producer-sdk/fence/fence-table.ts';
import type { BrokerModel } from './broker-model.ts';

/** What a participant's caller was told. */
export type Ending =
  | { readonly kind: 'committed'; readonly isRepeated: boolean; readonly isAcknowledged: boolean }
  | { readonly kind: 'settled'; readonly outcome: 'commit' | 'rollback' }
  /** `isOwn`: the very error that the business function threw. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly isOwn: boolean }
  | { readonly kind: 'answered' }
  | { readonly kind: 'dead' };

export interface Resolving {
  readonly by: string;
  readonly operation: 'commit' | 'rollback';
  /** What stood in the fence at that moment. */
  readonly row: Found | null;
}

export interface Answer {
  readonly by: string;
  /** Null: left out of the answer. */
  readonly resolution: string | null;
}

export class Story {
  readonly id: string;
  readonly endings = new Map<string, Ending>();
  readonly calls: Resolving[] = [];
  readonly answers: Answer[] = [];
  /** Participants whose COMMIT got no answer, or another one than COMMIT. */
  readonly inDoubt = new Set<string>();
  /** Executions that were committed, in the words of the rows they left. */
  effects: readonly string[] = [];
  row: Found | null = null;
  /** The row that the purge took away, long after everything else. */
  purged: Found | null = null;

  constructor(id: string) {
    this.id = id;
  }
}

/** What the run was made of, as far as it says what may come out. */
export interface Cast {
  /** Participants with a local transaction. */
  readonly executions: readonly string[];
  /** Those whose business function throws. */
  readonly failing: readonly string[];
  /** The broker forgets, so that it may not know what is decided, and the caller may be told so. */
  readonly isBrokerRestored: boolean;
}

/** Two runs with the same digest showed the same to everybody. */
export const digestOf = ({ endings, answers, calls, row, effects }: Story, { state }: BrokerModel): string => {
  const told = [...endings].map(([name, ending]) => ({ name, ...ending, message: '' }));
  const called = calls.map(({ by, operation, row }) => ({ by, operation, outcome: row?.outcome }));
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  return JSON.stringify({ told: told.sort(byName), answers, called, outcome: row?.outcome, effects, state });
};

const outcomeOf = ({ row, purged }: Story): string | null => (row ?? purged)?.outcome ?? null;

/** Everything in which the story contradicts the promise; each a sentence. */
export const contradictions = (story: Story, broker: BrokerModel, cast: Cast): string[] => {
  const found: string[] = [];
  const { effects, endings } = story;
  const outcome = outcomeOf(story);
  const wrong = (isWrong: boolean, sentence: string): void => {
    if (isWrong) found.push(sentence);
  };
  const { row, purged } = story;
  wrong(row !== null && purged !== null && row.outcome !== purged.outcome, 'another outcome after the purge');
  wrong(effects.length > 1, `the effect is there ${effects.length} times`);
  wrong(effects.length > 0 !== (outcome === 'commit'), `${effects.length} effects, and the row says ${outcome}`);
  wrong(broker.state === 'prepared', 'the broker cannot find out how it ended');
  wrong(broker.state === 'committed' && outcome !== 'commit', `committed at the broker, and the row says ${outcome}`);
  wrong(broker.state === 'rolled_back' && outcome !== 'rollback', `rolled back at the broker, the row says ${outcome}`);
  for (const sentence of broker.contradicted) wrong(true, `at the broker: ${sentence}`);
  for (const { by, resolution } of story.answers) {
    const isVerdict = resolution === 'commit' || resolution === 'rollback';
    wrong(isVerdict && resolution !== outcome, `${by} answered ${resolution}, and the row says ${outcome}`);
    wrong(!isVerdict && resolution !== null && resolution !== 'unknown', `${by} answered ${resolution}`);
  }
  for (const { by, operation, row } of story.calls) {
    wrong(row?.outcome !== operation, `${by} called ${operation} when the row said ${row?.outcome ?? 'nothing'}`);
  }
  for (const [name, ending] of endings) {
    wrong(ending.kind === 'failed' && !cast.executions.includes(name), `${name} failed: ${JSON.stringify(ending)}`);
  }
  for (const name of cast.executions) {
    const ending = endings.get(name);
    if (ending !== undefined) found.push(...untruths(name, ending, story, broker, cast));
  }
  return found;
};

const untruths = (name: string, ending: Ending, story: Story, broker: BrokerModel, cast: Cast): string[] => {
  const found: string[] = [];
  const outcome = outcomeOf(story);
  const isMine = story.effects.includes(name);
  const wrong = (isWrong: boolean, sentence: string): void => {
    if (isWrong) found.push(`${name} was told that it ${sentence}; the row says ${outcome}, by ${story.effects}`);
  };
  if (ending.kind === 'committed') {
    wrong(outcome !== 'commit', 'committed');
    wrong(ending.isRepeated === isMine, ending.isRepeated ? 'had happened before' : 'happened now');
    wrong(
      ending.isAcknowledged && broker.state !== 'committed' && !cast.isBrokerRestored,
      `was acknowledged; the broker has it ${broker.state}`,
    );
  }
  if (ending.kind === 'settled') wrong(outcome !== ending.outcome, `was settled as ${ending.outcome}`);
  if (ending.kind !== 'failed') return found;
  const { code, isOwn } = ending;
  if (code === 'OUTCOME_UNKNOWN') {
    wrong(!story.inDoubt.has(name), 'is not known how it ended, with no COMMIT in doubt');
    return found;
  }
  wrong(isMine, `failed (${code}: ${ending.message})`);
  wrong(code === 'NOT_COMMITTED' && outcome !== 'rollback', 'did not commit, for ever');
  wrong(code === 'ID_SPENT' && outcome !== 'rollback', 'was rolled back before');
  wrong(code === 'OUTCOME_CONTRADICTED' && !cast.isBrokerRestored, `contradicts the broker: ${ending.message}`);
  wrong(isOwn && !cast.failing.includes(name), 'threw what it did not throw');
  return found;
};

/** What is enumerated. Everything here is gone through in every order; nothing is sampled. */
import type { Dialect } from '../../local-transaction/statement.ts';
import type { Family } from './enumeration.ts';
import type { Act, Part } from './parts.ts';
import type { Fate } from './stage.ts';

const early = (...acts: Act[]): Part => ({ kind: 'transaction', isLate: false, acts });
const late = (...acts: Act[]): Part => ({ kind: 'transaction', isLate: true, acts });
const tool = (...acts: Act[]): Part => ({ kind: 'tool', acts });
const CHECK: Part = { kind: 'check' };

/** The product of the promise: one local transaction beside one check-back, either may die anywhere, and both. */
export const core = (dialect: Dialect): Family[] => {
  const both = { mortal: ['L1', 'C1'], deaths: 2 };
  const pair = (name: string, L1: Part): Family => ({ name, parts: { L1, C1: CHECK }, ...both });
  const families = [pair('early, commits', early('write')), pair('early, fails', early('write', 'throw'))];
  // What is synchronous cannot prepare inside of its business function.
  if (dialect === 'sqlite') return families;
  return [...families, pair('late, commits', late('write')), pair('late, fails', late('write', 'throw'))];
};

/** A COMMIT whose outcome its sender does not learn; what is in this process has no network in between. */
const COMMIT_FATES: Record<Dialect, readonly Fate[]> = {
  sqlite: ['reply lost', 'fails'],
  postgresql: ['reply lost', 'late', 'never', 'dead, late'],
  mysql: ['reply lost', 'late', 'never', 'dead, late'],
};
const CALL_FATES: readonly Fate[] = ['reply lost', 'late', 'never'];

export const commitInDoubt = (dialect: Dialect): Family => ({
  name: 'COMMIT in doubt',
  parts: { L1: early('write'), C1: CHECK },
  commitFates: { L1: COMMIT_FATES[dialect] },
});

export const lostClaim: Family = {
  name: 'claim lost in the function, a foreign row in its place',
  parts: { L1: early('write', 'lose', 'write'), C1: CHECK },
};

export const purge: Family = {
  name: 'purge, then an old execution resumes',
  parts: { L1: early('write'), C1: CHECK, P: { kind: 'purge' } },
  isAlone: true,
};

export const specials = (dialect: Dialect): Family[] => {
  const isServer = dialect !== 'sqlite';
  const families: Family[] = [
    commitInDoubt(dialect),
    lostClaim,
    purge,
    {
      name: 'calls of the broker in doubt',
      parts: { L1: early('write'), C1: CHECK },
      callFates: { L1: CALL_FATES },
    },
    { name: 'two executions', parts: { L1: early('write'), L2: early('write') }, mortal: ['L1', 'L2'] },
    { name: 'a tool', parts: { L1: tool('claim', 'write', 'verify'), C1: CHECK }, mortal: ['L1'] },
    { name: 'a tool that fails', parts: { L1: tool('claim', 'write', 'throw'), C1: CHECK }, mortal: ['L1'] },
    {
      name: 'a tool, settled by another process',
      parts: { L1: tool('claim', 'write', 'verify'), S1: { kind: 'settle' } },
      mortal: ['L1'],
    },
    {
      name: 'claim in a savepoint that is rolled back',
      parts: { L1: tool('savepoint', 'claim', 'undo', 'write', 'verify'), C1: CHECK },
    },
    {
      name: 'an answer carried over a restore of the broker to before the prepare',
      parts: { L1: early('write', 'throw'), C1: CHECK },
      restoredTo: 'unknown here',
    },
    {
      name: 'a restore of the broker to after the prepare',
      parts: { L1: early('write'), C1: CHECK },
      restoredTo: 'prepared',
    },
  ];
  if (isServer) {
    families.push(
      { name: 'late beside early', parts: { L1: late('write'), L2: early('write') }, mortal: ['L1'] },
      { name: 'late beside early, the late one fails', parts: { L1: late('write', 'throw'), L2: early('write') } },
    );
  }
  if (dialect === 'postgresql') {
    families.push({
      name: 'COMMIT of an aborted transaction',
      parts: { L1: early('write'), C1: CHECK },
      commitFates: { L1: ['aborted'] },
    });
  }
  if (dialect === 'mysql') {
    families.push({
      name: 'a deadlock that is swallowed',
      parts: { L1: early('write', 'deadlock', 'write'), C1: CHECK },
    });
  }
  return families;
};

/** What is synchronous cannot prepare inside of its business function. */
const lateOnes = (dialect: Dialect): Family[] =>
  dialect === 'sqlite'
    ? []
    : [
        {
          name: 'late, COMMIT in doubt',
          parts: { L1: late('write'), C1: CHECK },
          commitFates: { L1: COMMIT_FATES[dialect] },
        },
        {
          name: 'late, calls of the broker in doubt',
          parts: { L1: late('write'), C1: CHECK },
          callFates: { L1: [...CALL_FATES, 'fails'] },
        },
      ];

/** Three at the same time, and what has many orders: too much for every test run. */
export const more = (dialect: Dialect): Family[] => [
  ...lateOnes(dialect),
  { name: 'two executions, one fails', parts: { L1: early('write', 'throw'), L2: early('write') }, mortal: ['L1'] },
  {
    name: 'two executions, COMMIT in doubt',
    parts: { L1: early('write'), L2: early('write') },
    commitFates: { L1: COMMIT_FATES[dialect] },
  },
  {
    name: 'an answer carried over a restore, two executions',
    parts: { L1: early('write'), L2: early('write') },
    restoredTo: 'unknown here',
  },
  { name: 'two executions and a check', parts: { L1: early('write'), L2: early('write'), C1: CHECK }, mortal: ['L1'] },
  {
    name: 'two executions, one fails, and a check',
    parts: { L1: early('write', 'throw'), L2: early('write'), C1: CHECK },
  },
  {
    name: 'two executions and a check, COMMIT in doubt',
    parts: { L1: early('write'), L2: early('write'), C1: CHECK },
    commitFates: { L1: COMMIT_FATES[dialect] },
  },
  {
    name: 'claim lost, two executions and a check',
    parts: { L1: early('lose', 'write'), L2: early('write'), C1: CHECK },
  },
  {
    name: 'an answer carried over a restore, the id is run again',
    parts: { L1: early('write', 'throw'), L2: early('write'), C1: CHECK },
    restoredTo: 'unknown here',
  },
  { name: 'two checks', parts: { L1: early('write'), C1: CHECK, C2: CHECK }, mortal: ['C1'] },
];

const UNTIL_CLAIMED = ['L1 prepare at the broker', 'L1 begin', 'L1 claim', 'L1 write'];
const TWO_CHECKS = ['C1 is asked', 'C1 read all', 'C2 is asked', 'C2 read all'];
const THE_OTHERS = ['L2 prepare at the broker', 'L2 begin', 'L2 claim', 'C1 verdict', 'C2 verdict'];

/** Three wait for the lock of a fourth one, which then commits or rolls back; and what leads there. */
export const crowds: readonly { readonly family: Family; readonly keys: readonly string[] }[] = [
  early('write'),
  early('write', 'throw'),
].map((L1, index) => ({
  family: {
    name: index === 0 ? 'a crowd waits for a commit' : 'a crowd waits for a rollback',
    parts: { L1, L2: early('write'), C1: CHECK, C2: CHECK },
    isCrowded: true,
  },
  keys: [...UNTIL_CLAIMED, ...TWO_CHECKS, ...THE_OTHERS],
}));

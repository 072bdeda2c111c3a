/** A verdict as a person reads it. */
import { ANOMALIES, type AnomalyKind } from './checker.ts';
import type { RunOptions, RunResult } from './two-banks.ts';

/** Of each kind; the rest is counted. */
const SHOWN = 3;

const timeline = ({ events }: RunResult, id: string): string[] =>
  events
    .filter(event => 'id' in event && event.id === id)
    .sort((one, other) => one.at - other.at)
    .map(({ at, process, event, ...more }) => {
      const { id: _, ...rest } = more as { id?: string };
      const time = new Date(at).toISOString().slice(11, 23);
      return `        ${time}  ${process.padEnd(7)} ${event} ${Object.values(rest).join(' ')}`.trimEnd();
    });

const anomalies = (result: RunResult): string[] => {
  const byKind = Map.groupBy(result.verdict.anomalies, ({ kind }) => kind);
  const told = new Set<string>();
  return [...byKind].flatMap(([kind, found]: [AnomalyKind, typeof result.verdict.anomalies]) => [
    `  ${kind}, ${found.length} ×: ${ANOMALIES[kind]}`,
    ...found.slice(0, SHOWN).flatMap(({ id, detail }) => {
      if (id === null) return [`      ${detail}`];
      const isNew = !told.has(id);
      told.add(id);
      return [`      ${id}: ${detail}`, ...(isNew ? timeline(result, id) : [])];
    }),
  ]);
};

export const replayCommand = ({ transfers, seed, database, fault }: RunOptions): string =>
  `npm run torture -- two-banks --transfers ${transfers} --seed ${seed} --database ${database}${fault ? ` --fault ${fault}` : ''}`;

export const verdictText = (result: RunOptions & RunResult): string => {
  const { verdict, acts, deaths, swallowed, seconds } = result;
  const { counts } = verdict;
  const held = verdict.anomalies.length === 0;
  const lines = [
    `${held ? 'HELD' : 'BROKEN'}: ${counts.transfers} transfers, seed ${result.seed}, ${result.database}${result.fault ? `, planted fault ${result.fault}` : ''}, ${seconds.toFixed(0)} s`,
    `  in A committed ${counts.committed}, rolled back ${counts.rolledBack}, never begun ${counts.untouched}; in B credited ${counts.credited}; records in Kafka ${counts.records}, of them repeats ${counts.duplicates}`,
    `  callers were told yes ${counts.toldYes} times, no ${counts.toldNo}, nothing certain ${counts.toldNothing}; check-backs answered commit ${counts.answers.commit}, rollback ${counts.answers.rollback}, unknown ${counts.answers.unknown}`,
    `  killed and started again: bank A ${deaths.bankA}, bank B ${deaths.bankB}, broker ${deaths.broker}, Kafka ${acts['kill kafka']} and frozen ${acts['freeze kafka']}; replies swallowed ${swallowed}; the sum was looked at ${counts.samples} times`,
    ...anomalies(result),
    `  again: ${replayCommand(result)}`,
  ];
  return lines.join('\n');
};

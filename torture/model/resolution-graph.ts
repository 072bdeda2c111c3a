/**
 * Every state that one transaction can get into, breadth first, by the broker's own decisions: whatever producers, the
 * check-back, operators, the forwarder and the broom say, alone or two in one commit, at any time and again and again.
 *
 * That holds every crash: one before the commit leaves the state as it was, one after it a state in which nobody was
 * told; and what is right while somebody was told, is so while nobody was. So the replies are always taken as told.
 */
import type { Command } from '../../broker/coordinator/commands.ts';
import { decide } from '../../broker/coordinator/decisions.ts';
import { WorkingSet } from '../../broker/coordinator/working-set.ts';
import type { CheckPolicy } from '../../broker/transaction/schedule.ts';
import { halfMessage, prepareCommand, producerGroup, resolveCommand } from '../../test/support/store.ts';
import { judgeStep, type Standing, type Step } from './resolution-laws.ts';

const ID = 't';
const GROUP = 'bank-a';
const OTHER_GROUP = 'bank-b';
const TOPIC = { name: 'transfers', partitions: 3, barrier: null };
/** Answers `unknown` before the policy decides. */
const LIMIT = 2;

export interface Explored {
  readonly states: number;
  readonly steps: number;
  /** Commits behind each other after which no new state was found; the depth asked for where there were always some. */
  readonly depth: number;
  /** Sentences. With some, not all states were looked at. */
  readonly anomalies: string[];
  /** What single commands did: `prepared commit` → `committed`, `held forward` → `same`. */
  readonly cells: Map<string, string>;
}

const MOST_ANOMALIES = 20;

const answers = ['commit', 'rollback', 'unknown', 'none', 'nobody'] as const;

/** All that can be said about a transaction of so many messages. */
const alphabet = (count: number): Command[] => {
  const messages = Array.from({ length: count }, (_, partition) => halfMessage({ partition }));
  const resolutions = (['commit', 'rollback'] as const).flatMap(resolution => [
    resolveCommand(ID, resolution),
    { ...resolveCommand(ID, resolution), by: 'operator', reason: 'by hand' } as const,
  ]);
  const onMessages = messages.flatMap((_, index): Command[] => [
    { type: 'forwarded', transactionId: ID, index, offset: 7 },
    { type: 'park', transactionId: ID, index, error: 'too large' },
    { type: 'retry', messageId: `${ID}.${index}`, reason: 'again' },
    { type: 'discard', messageId: `${ID}.${index}`, reason: 'never' },
  ]);
  return [
    prepareCommand(ID, GROUP, messages),
    prepareCommand(
      ID,
      GROUP,
      messages.toReversed().map(one => ({ ...one, type: 'another' })),
    ),
    prepareCommand(ID, OTHER_GROUP, messages),
    ...resolutions,
    ...answers.map(answer => ({ type: 'answer', id: ID, answer, error: null }) as const),
    { type: 'ask', id: ID, reason: 'now' },
    ...onMessages,
    { type: 'purge', id: ID, endedBefore: Number.MAX_SAFE_INTEGER },
  ];
};

/** Two standings with the same text have the same future. Times, counts beyond the limit and offsets are left out. */
const textOf = ({ transaction: one, isPurged, told }: Standing): string => {
  if (one === null) return `${isPurged} ${told}`;
  const { state, resolvedBy, unresolved, contradicted, nextCheckAt, checkAttempts, checkFailures, lastCheckAt } = one;
  const flags = [unresolved, contradicted, nextCheckAt !== null, checkFailures > 0, lastCheckAt !== null];
  const [first = 0, second = 0] = one.messages.map(({ commitOrder }) => commitOrder ?? 0);
  const messages = one.messages.map(({ state, attempts }) => `${state}${attempts > 0}`);
  return [state, resolvedBy, ...flags, Math.min(checkAttempts, LIMIT), ...messages, first < second, told].join(' ');
};

/** One commit that holds these commands, as the coordinator makes it. */
const commit = (before: Standing, commands: readonly Command[], now: number, policy: Partial<CheckPolicy>): Step => {
  const transactions = new Map(before.transaction === null ? [] : [[ID, before.transaction]]);
  const settings = { checkUrl: 'http://127.0.0.1:9/check', check: { limit: LIMIT, ...policy } };
  const groups = new Map([GROUP, OTHER_GROUP].map(name => [name, producerGroup(name, settings)]));
  const set = new WorkingSet({ transactions, counters: before.counters }, groups, new Map([[TOPIC.name, TOPIC]]));
  const outcomes = commands.map(command => decide(set, command, { now, random: () => 0 }));
  const isPurged = set.changes().purged.length > 0;
  const touched = [...set.touched()].at(0)?.after ?? before.transaction;
  const after = {
    transaction: isPurged ? null : touched,
    isPurged: before.isPurged || isPurged,
    counters: set.countersAfter(),
    told: before.told,
  };
  return { before, commands, outcomes, after };
};

/** The same step where the callers got their replies. */
const told = (step: Step): Step => {
  const said = new Set(step.before.told);
  for (const outcome of step.outcomes) {
    if (outcome.kind === 'done' && outcome.transaction && outcome.transaction.state !== 'prepared') {
      said.add(outcome.transaction.state);
    } else if (outcome.kind === 'refused' && outcome.refused.state) said.add(outcome.refused.state);
  }
  return { ...step, after: { ...step.after, told: [...said].sort() } };
};

/** Ids are never used again: of a purged transaction nobody prepares. */
const mayFollow = ({ isPurged }: Standing, { type }: Command): boolean => !(isPurged && type === 'prepare');

const CELL_EVENTS: Partial<Record<string, string>> = { none: 'no_answer', nobody: 'nobody_to_ask' };
const MESSAGE_EVENTS: Partial<Record<string, string>> = { forwarded: 'forward' };

/** What the step adds to the table of the state machine. */
const note = ({ before, commands, outcomes, after }: Step, cells: Map<string, string>): void => {
  const [command, outcome] = [commands[0]!, outcomes[0]!];
  const one = before.transaction;
  if (one === null || after.transaction === null || command.type === 'prepare' || command.type === 'purge') return;
  const refusal = outcome.kind === 'refused' ? outcome.refused.code : null;
  if (command.type === 'resolve' || command.type === 'answer' || command.type === 'ask') {
    const word = command.type === 'resolve' ? command.resolution : command.type === 'answer' ? command.answer : 'ask';
    const cell = refusal ?? (outcome.kind === 'done' && outcome.changed ? after.transaction.state : 'same');
    cells.set(`${one.state} ${CELL_EVENTS[word] ?? word}`, cell);
    if (word !== 'commit' && word !== 'rollback') return;
    for (const [i, { state }] of one.messages.entries()) {
      const next = after.transaction.messages[i]!.state;
      // A refused resolution is never an event of its messages.
      if (refusal === null) cells.set(`${state} ${word}`, next === state ? 'same' : next);
    }
    return;
  }
  const index = 'index' in command ? command.index : Number('messageId' in command && command.messageId.at(-1));
  const [state, next] = [one.messages[index]!.state, after.transaction.messages[index]!.state];
  const cell = refusal ?? (next === state ? 'same' : next);
  cells.set(`${state} ${MESSAGE_EVENTS[command.type] ?? command.type}`, cell);
};

export const explore = (maxDepth: number, messages: number, policy: Partial<CheckPolicy>): Explored => {
  const commands = alphabet(messages);
  const batches = [...commands.map(one => [one]), ...commands.flatMap(one => commands.map(other => [one, other]))];
  const start: Standing = { transaction: null, isPurged: false, counters: new Map(), told: [] };
  const seen = new Set([textOf(start)]);
  const found: Explored = { states: 0, steps: 0, depth: 0, anomalies: [], cells: new Map() };
  let steps = 0;
  let depth = 0;
  for (let level = [start]; level.length > 0 && depth < maxDepth; depth++) {
    const next: Standing[] = [];
    for (const before of level) {
      if (found.anomalies.length >= MOST_ANOMALIES) break;
      for (const batch of batches) {
        if (!batch.every(command => mayFollow(before, command))) continue;
        const step = told(commit(before, batch, depth + 1, policy));
        steps++;
        if (batch.length === 1) note(step, found.cells);
        found.anomalies.push(...judgeStep(step));
        const text = textOf(step.after);
        if (seen.has(text)) continue;
        seen.add(text);
        next.push(step.after);
      }
    }
    level = next;
  }
  return { ...found, states: seen.size, steps, depth };
};

/** What must be true of every commit about one transaction. */
import type { Command, Outcome } from '../../broker/coordinator/commands.ts';
import type { Counters } from '../../broker/store/store.ts';
import type { Transaction } from '../../broker/transaction/transaction.ts';

/** How a transaction stands, and what people believe of it. */
export interface Standing {
  /** Null: never stored, or purged. */
  readonly transaction: Transaction | null;
  readonly isPurged: boolean;
  readonly counters: Counters;
  /** Resolutions that somebody was told of. */
  readonly told: readonly string[];
}

export interface Step {
  readonly before: Standing;
  readonly commands: readonly Command[];
  readonly outcomes: readonly Outcome[];
  readonly after: Standing;
}

const MESSAGES_OF: Record<Transaction['state'], readonly string[]> = {
  prepared: ['held'],
  committed: ['ready', 'parked', 'forwarded', 'discarded'],
  rolled_back: ['dropped'],
};
const ENDS: readonly string[] = ['forwarded', 'discarded', 'dropped'];
const STATE_OF = { commit: 'committed', rollback: 'rolled_back' } as const;
export const MESSAGE_STATES = ['held', 'ready', 'forwarded', 'parked', 'discarded', 'dropped'] as const;

const nameOf = (command: Command): string => {
  if (command.type === 'resolve') return `${command.resolution} by ${command.by}`;
  return command.type === 'answer' ? `answer ${command.answer}` : command.type;
};

/** Sentences, none where all is well. */
export const judgeStep = (step: Step): string[] => {
  const { before, commands, outcomes, after } = step;
  const faults: string[] = [];
  const [was, is] = [before.transaction, after.transaction];
  const fault = (sentence: string): void => {
    const from = was === null ? 'nothing' : was.state;
    faults.push(`${from}, then ${commands.map(nameOf).join(' and ')}: ${sentence}`);
  };
  if (was !== null && is !== null) judgeChange(was, is, fault);
  if (is !== null) judgeStanding(is, fault);
  if (is === null && was?.state === 'prepared' && !isResolvedBy(commands)) fault('a half message was thrown away');
  for (const [i, command] of commands.entries()) judgeOutcome(command, outcomes[i]!, after, fault);
  judgeTold(after, fault);
  judgeCounters(after, fault);
  return faults;
};

const isResolvedBy = (commands: readonly Command[]): boolean =>
  commands.some(({ type }) => type === 'resolve' || type === 'answer');

const judgeChange = (was: Transaction, is: Transaction, fault: (sentence: string) => void): void => {
  if (was.state !== 'prepared') {
    if (is.state !== was.state) fault(`the resolution flipped to ${is.state}`);
    if (is.resolvedAt !== was.resolvedAt || is.resolvedBy !== was.resolvedBy) {
      fault(`it was resolved by ${was.resolvedBy} and is resolved by ${is.resolvedBy} now`);
    }
    if (was.contradicted && !is.contradicted) fault('the contradiction was forgotten');
  }
  for (const [i, { state, partition }] of was.messages.entries()) {
    const now = is.messages[i]!;
    if (ENDS.includes(state) && now.state !== state) fault(`a message was ${state} and is ${now.state}`);
    if (partition !== null && now.partition !== partition) fault(`a message left its partition ${partition}`);
  }
};

const judgeStanding = (is: Transaction, fault: (sentence: string) => void): void => {
  for (const { state, commitOrder } of is.messages) {
    if (!MESSAGES_OF[is.state].includes(state)) fault(`it is ${is.state} and a message of it is ${state}`);
    if (state === 'ready' && commitOrder === null) fault('a ready message has no place in the commit order');
  }
  const isAsked = is.nextCheckAt !== null;
  if (isAsked !== (is.state === 'prepared' && !is.unresolved)) {
    fault(`it is ${is.state}${is.unresolved ? ', unresolved' : ''}, and ${isAsked ? 'a' : 'no'} check is planned`);
  }
  if ((is.resolvedAt !== null) !== (is.state !== 'prepared')) fault(`it is ${is.state} since ${is.resolvedAt}`);
};

const judgeOutcome = (command: Command, outcome: Outcome, after: Standing, fault: (sentence: string) => void): void => {
  const wanted =
    command.type === 'resolve' ? command.resolution : command.type === 'answer' ? command.answer : undefined;
  if (wanted !== 'commit' && wanted !== 'rollback') return;
  if (outcome.kind === 'done') {
    if (outcome.transaction?.state !== STATE_OF[wanted]) fault(`${wanted} was told ${outcome.transaction?.state}`);
    return;
  }
  const { code, state } = outcome.refused;
  if (code === 'TRANSACTION_NOT_FOUND') return;
  const opposite = wanted === 'commit' ? 'rolled_back' : 'committed';
  if (state !== opposite || code !== `ALREADY_${opposite.toUpperCase()}`) fault(`${wanted} was refused with ${code}`);
  if (after.transaction !== null && !after.transaction.contradicted)
    fault(`${wanted} was refused, and it is not marked`);
};

const judgeTold = ({ transaction, told }: Standing, fault: (sentence: string) => void): void => {
  if (told.length > 1) fault('one was told that it is committed, another that it is rolled back');
  if (transaction !== null && told.some(state => state !== transaction.state)) {
    fault(`somebody was told ${told}, and it is ${transaction.state}`);
  }
};

const judgeCounters = ({ transaction, counters }: Standing, fault: (sentence: string) => void): void => {
  const sentence = unaccounted(counters);
  if (sentence !== null) fault(sentence);
  const counted = transaction === null ? new Map<string, number>() : countersOf(transaction);
  for (const [name, value] of counters) {
    if (['accepted', 'purged', 'sequence', 'commitOrder'].includes(name)) continue;
    if (value !== (counted.get(name) ?? 0)) fault(`${name} is counted as ${value} and is ${counted.get(name) ?? 0}`);
    counted.delete(name);
  }
  for (const [name, value] of counted) if (value !== 0) fault(`${name} is ${value} and is not counted`);
};

/** Every message accepted is somewhere; null, or a sentence. */
export const unaccounted = (counters: Counters): string | null => {
  const count = (name: string): number => counters.get(name) ?? 0;
  const held = MESSAGE_STATES.map(state => count(`messages.${state}`));
  const sum = held.reduce((all, one) => all + one, count('purged'));
  if (sum === count('accepted') && held.every(one => one >= 0)) return null;
  return `${count('accepted')} messages were accepted, ${sum} are accounted for (${MESSAGE_STATES.map(
    (state, i) => `${state} ${held[i]}`,
  ).join(', ')}, purged ${count('purged')})`;
};

const countersOf = (one: Transaction): Map<string, number> => {
  const counted = new Map<string, number>([[`transactions.${one.state}`, 1]]);
  const add = (name: string): void => void counted.set(name, (counted.get(name) ?? 0) + 1);
  if (one.unresolved) for (const name of ['unresolved', `unresolved:${one.group}`]) add(name);
  if (one.contradicted) add('contradicted');
  if (one.state === 'prepared' && one.checkFailures > 0) add(`overdue:${one.group}`);
  for (const { state, topic } of one.messages) {
    add(`messages.${state}`);
    if (state === 'ready' || state === 'parked') add(`${state}:${topic}`);
  }
  return counted;
};

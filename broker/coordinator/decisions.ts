/** What each command does to the working set. Synchronous and without I/O: the rules decide, this applies them. */

import type { ProducerGroup } from '../store/store.ts';
import { topicAllowed } from '../transaction/allow-list.ts';
import { partitionFor } from '../transaction/partition.ts';
import { type CheckPolicy, DEFAULT_CHECK_POLICY, firstCheckAt } from '../transaction/schedule.ts';
import { messageTransition, type TransactionEvent, type Transition, transition } from '../transaction/state-machine.ts';
import { endedAt, type Message, messageId, parseMessageId, type Transaction } from '../transaction/transaction.ts';
import type {
  AnswerCommand,
  AskCommand,
  Command,
  Outcome,
  ParkedCommand,
  PrepareCommand,
  Refused,
  ResolveCommand,
} from './commands.ts';
import { putGroup } from './group-decisions.ts';
import { createKey, revokeKey } from './key-decisions.ts';
import type { WorkingSet } from './working-set.ts';

export interface Moment {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** In [0, 1). */
  readonly random: () => number;
  /** Nothing new is to begin. */
  readonly isNearlyFull?: boolean;
}

const NEARLY_FULL =
  'The broker’s disk is nearly full. What is left is kept for the end of what was begun; repeat the call later.';

export const checkPolicy = (group: Pick<ProducerGroup, 'check'>): CheckPolicy => ({
  ...DEFAULT_CHECK_POLICY,
  ...group.check,
});

const refused = (code: Refused['code'], detail: string, more: Partial<Refused> = {}): Outcome => ({
  kind: 'refused',
  refused: { code, detail, ...more },
});

const done = (changed: boolean, transaction?: Transaction, message?: Message): Outcome => ({
  kind: 'done',
  changed,
  ...(transaction ? { transaction } : {}),
  ...(message ? { message } : {}),
});

const transactionNotFound = (id: string): Outcome => refused('TRANSACTION_NOT_FOUND', `There is no transaction ${id}.`);

export const decide = (set: WorkingSet, command: Command, moment: Moment): Outcome => {
  switch (command.type) {
    case 'prepare':
      return prepare(set, command, moment);
    case 'resolve':
      return resolve(set, command, moment);
    case 'ask':
      return ask(set, command, moment);
    case 'retry':
    case 'discard':
      return settleParked(set, command, moment);
    case 'answer':
      return answer(set, command, moment);
    case 'forwarded':
      return onMessage(set, command.transactionId, command.index, message => {
        const next = messageTransition(message, 'forward', moment.now);
        return next === 'NOT_PARKED' || next === message ? message : { ...next, offset: command.offset };
      });
    case 'park':
      return park(set, command.transactionId, command.index, command.error, moment);
    case 'assign':
      return onMessage(set, command.transactionId, command.index, message =>
        message.partition === null && message.commitOrder !== null
          ? { ...message, partition: fixedPartition(set, message, message.commitOrder) }
          : message,
      );
    case 'purge': {
      const transaction = set.transaction(command.id);
      const end = transaction ? endedAt(transaction) : null;
      if (!transaction || end === null || end >= command.endedBefore) return done(false);
      set.purge(transaction);
      return done(true);
    }
    case 'put_group':
      return putGroup(set, command, moment.now);
    case 'create_key':
      return createKey(set, command, moment.now);
    case 'revoke_key':
      return revokeKey(set, command, moment.now);
    case 'backup':
      set.act({ at: moment.now, act: 'backup', by: command.who, target: null, group: null, reason: command.reason });
      return done(true);
    case 'group_health': {
      const group = set.group(command.group);
      if (!group) return refused('PRODUCER_GROUP_NOT_FOUND', `There is no producer group ${command.group}.`);
      const lastAnswerAt = command.error === null ? moment.now : group.lastAnswerAt;
      set.changedGroups.set(group.name, { ...group, lastAnswerAt, lastError: command.error });
      return done(true);
    }
    case 'topic_seen':
      return topicSeen(set, command.topic, command.partitions);
    case 'clear_barrier': {
      const topic = set.topic(command.topic);
      if (topic) set.changedTopics.set(topic.name, { ...topic, barrier: null });
      return done(topic !== undefined);
    }
  }
};

const prepare = (set: WorkingSet, command: PrepareCommand, { now, isNearlyFull }: Moment): Outcome => {
  const existing = set.transaction(command.id);
  if (existing) {
    if (existing.group !== command.group) return refused('ID_TAKEN', `The id ${command.id} cannot be used.`);
    if (!existing.digest.equals(command.digest)) {
      return refused(
        'EXISTS_WITH_DIFFERENT_CONTENT',
        `Transaction ${command.id} exists with other content. An id stands for one content: use another id.`,
      );
    }
    return done(false, existing);
  }
  const group = set.group(command.group);
  if (!group)
    return refused('PRODUCER_GROUP_NOT_FOUND', `There is no producer group ${command.group}. Create it first.`);
  const topics = new Set(command.messages.map(message => message.topic));
  for (const topic of topics) {
    if (topicAllowed(group.topics, topic)) continue;
    const index = command.messages.findIndex(message => message.topic === topic);
    return refused('TOPIC_NOT_ALLOWED', `Producer group ${group.name} may not send to topic ${topic}.`, {
      pointer: `/messages/${index}/topic`,
    });
  }
  if (command.refusal) return { kind: 'refused', refused: command.refusal };
  if (isNearlyFull) return refused('STORAGE_FULL', NEARLY_FULL);
  const afterMs = command.afterMs ?? checkPolicy(group).afterMs;
  const transaction: Transaction = {
    sequence: set.next('sequence'),
    id: command.id,
    group: command.group,
    state: 'prepared',
    digest: command.digest,
    preparedAt: now,
    resolvedAt: null,
    resolvedBy: null,
    nextCheckAt: firstCheckAt(now, afterMs),
    checkAttempts: 0,
    checkFailures: 0,
    lastCheckAt: null,
    lastCheckError: null,
    unresolved: false,
    contradicted: false,
    traceparent: command.traceparent,
    tracestate: command.tracestate,
    messages: command.messages.map((message, index) => ({
      index,
      topic: message.topic,
      key: message.key,
      state: 'held',
      partition: message.partition,
      commitOrder: null,
      offset: null,
      attempts: 0,
      lastError: null,
      endedAt: null,
      payloadBytes: message.payload?.length ?? 0,
    })),
  };
  for (const topic of topics) {
    if (!set.topic(topic)) set.changedTopics.set(topic, { name: topic, partitions: null, barrier: null });
    set.use(group.name, topic);
  }
  set.insert(transaction, command.messages);
  return done(true, transaction);
};

/** The partition a message is fixed to, null while nothing is known of its topic. */
const fixedPartition = (set: WorkingSet, message: Message, commitOrder: number): number | null => {
  if (message.partition !== null) return message.partition;
  const partitions = set.topic(message.topic)?.partitions ?? null;
  return partitions === null ? null : partitionFor(message.key, partitions, commitOrder);
};

const intoOrder = (set: WorkingSet, message: Message): Message => {
  const commitOrder = set.next('commitOrder');
  return { ...message, commitOrder, partition: fixedPartition(set, message, commitOrder) };
};

/** A transaction may be asked about for ever, so these are counted onto one line: its history must not grow by them. */
const COUNTED_EVENTS: readonly string[] = ['check_unknown', 'check_no_answer'];

/** Saves what the state machine decided, moves the messages along with a resolution, and writes the history. */
const apply = (
  set: WorkingSet,
  transaction: Transaction,
  result: Transition,
  moment: Moment,
  line: { by: string; detail: string | null },
): Transaction => {
  if (result.kind !== 'changed') return transaction;
  let { next } = result;
  if (next.state !== transaction.state) {
    const event = next.state === 'committed' ? 'commit' : 'rollback';
    next = {
      ...next,
      messages: next.messages.map(message => {
        const moved = messageTransition(message, event, moment.now);
        if (moved === 'NOT_PARKED') return message;
        return moved.state === 'ready' ? intoOrder(set, moved) : moved;
      }),
    };
  }
  set.update(next);
  // What a producer's own resolution says stands in the transaction itself; only the others need a line.
  if (result.event !== null && !(next.state !== transaction.state && next.resolvedBy === 'producer')) {
    set.record(next, moment.now, {
      event: result.event,
      // An operator is named by whoever gave the command.
      by: next.resolvedBy === 'operator' ? line.by : (next.resolvedBy ?? line.by),
      detail: line.detail,
      fold: COUNTED_EVENTS.includes(result.event),
    });
  }
  return next;
};

/** Marks that two systems disagree. Counted onto one line: a caller may repeat it for ever. */
const contradict = (
  set: WorkingSet,
  marked: Transaction,
  { wanted, by, reason }: { wanted: string; by: string; reason: string | null },
  { now }: Moment,
): void => {
  set.update(marked);
  const detail = `${wanted} came after ${marked.state}${reason === null ? '' : `: ${reason}`}`;
  set.record(marked, now, { event: 'contradicted', by, detail, fold: true });
};

const resolve = (set: WorkingSet, command: ResolveCommand, moment: Moment): Outcome => {
  const transaction = set.transaction(command.id);
  const { who: by = command.by, within = null } = command;
  if (!transaction || (within !== null && transaction.group !== within)) return transactionNotFound(command.id);
  const result = transition(transaction, { type: command.resolution, by: command.by }, moment.now);
  if (result.kind === 'refused') {
    const { resolution: wanted, reason } = command;
    if (result.next) contradict(set, result.next, { wanted, by, reason }, moment);
    return standing(transaction, result.refusal);
  }
  if (result.kind === 'same' && command.reason !== null) {
    const detail = `${command.resolution}, as it was: ${command.reason}`;
    set.record(transaction, moment.now, { event: 'confirmed', by, detail, fold: true });
  }
  const next = apply(set, transaction, result, moment, { by, detail: command.reason });
  if (command.by === 'operator' && result.kind === 'changed') {
    const { resolution: act, reason } = command;
    set.act({ at: moment.now, act, by, target: next.id, group: next.group, reason });
  }
  return done(result.kind === 'changed', next);
};

const standing = (transaction: Transaction, code: Refused['code']): Outcome => {
  const what = transaction.state === 'committed' ? 'committed' : 'rolled back';
  return refused(code, `Transaction ${transaction.id} is ${what} by ${transaction.resolvedBy}; that stands.`, {
    state: transaction.state,
  });
};

const ask = (set: WorkingSet, { id, who: by = 'operator', reason }: AskCommand, moment: Moment): Outcome => {
  const transaction = set.transaction(id);
  if (!transaction) return transactionNotFound(id);
  const result = transition(transaction, { type: 'ask' }, moment.now);
  if (result.kind === 'refused') return standing(transaction, result.refusal);
  if (!set.group(transaction.group)?.checkUrl) {
    return refused('NO_CHECK_URL', `Producer group ${transaction.group} has no check address: there is nobody to ask.`);
  }
  set.act({ at: moment.now, act: 'check', by, target: id, group: transaction.group, reason });
  return done(true, apply(set, transaction, result, moment, { by, detail: reason }));
};

const answer = (set: WorkingSet, command: AnswerCommand, moment: Moment): Outcome => {
  const transaction = set.transaction(command.id);
  if (!transaction) return transactionNotFound(command.id);
  const policy = checkPolicy(set.group(transaction.group) ?? { check: {} });
  const event = ((): TransactionEvent => {
    switch (command.answer) {
      case 'commit':
      case 'rollback':
        return { type: command.answer, by: 'check' };
      case 'unknown':
        return { type: 'unknown', policy, random: moment.random() };
      case 'none':
        return { type: 'no_answer', error: command.error ?? 'no answer', policy, random: moment.random() };
      case 'nobody':
        return { type: 'nobody_to_ask' };
    }
  })();
  const result = transition(transaction, event, moment.now);
  if (result.kind === 'refused') {
    if (result.next) contradict(set, result.next, { wanted: command.answer, by: 'check', reason: null }, moment);
    return standing(transaction, result.refusal);
  }
  const detail = command.answer === 'none' ? command.error : command.answer === 'nobody' ? 'no check address' : null;
  const next = apply(set, transaction, result, moment, { by: 'check', detail });
  return done(result.kind === 'changed', next);
};

const onMessage = (
  set: WorkingSet,
  transactionId: string,
  index: number,
  change: (message: Message, transaction: Transaction) => Message,
): Outcome => {
  const transaction = set.transaction(transactionId);
  const message = transaction?.messages[index];
  if (!transaction || !message) {
    return refused('MESSAGE_NOT_FOUND', `There is no message ${messageId(transactionId, index)}.`);
  }
  const changed = change(message, transaction);
  if (changed === message) return done(false, transaction, message);
  const next = { ...transaction, messages: transaction.messages.with(index, changed) };
  set.update(next);
  return done(true, next, changed);
};

const park = (set: WorkingSet, transactionId: string, index: number, error: string, moment: Moment): Outcome => {
  const outcome = onMessage(set, transactionId, index, message => {
    const next = messageTransition(message, 'park', moment.now);
    if (next === 'NOT_PARKED' || next === message) return message;
    return { ...next, attempts: message.attempts + 1, lastError: error };
  });
  if (outcome.kind === 'done' && outcome.changed) {
    const detail = `${messageId(transactionId, index)}: ${error}`;
    set.record(outcome.transaction!, moment.now, { event: 'parked', by: 'broker', detail, fold: true });
  }
  return outcome;
};

const settleParked = (set: WorkingSet, command: ParkedCommand, moment: Moment): Outcome => {
  const name = parseMessageId(command.messageId);
  if (!name) return refused('MESSAGE_NOT_FOUND', `There is no message ${command.messageId}.`);
  let state = '';
  const outcome = onMessage(set, name.transactionId, name.index, message => {
    state = message.state;
    const next = messageTransition(message, command.type, moment.now);
    if (next === 'NOT_PARKED') return message;
    return next.state === 'ready' ? intoOrder(set, next) : next;
  });
  if (outcome.kind === 'refused') return outcome;
  if (!outcome.changed) return refused('NOT_PARKED', `Message ${command.messageId} is ${state}, not parked.`);
  const { type: act, who: by = 'operator', messageId: target, reason } = command;
  const { group } = outcome.transaction!;
  const event = act === 'retry' ? 'retried' : 'discarded';
  set.record(outcome.transaction!, moment.now, { event, by, detail: `${target}: ${reason}` });
  set.act({ at: moment.now, act, by, target, group, reason });
  return outcome;
};

const topicSeen = (set: WorkingSet, name: string, partitions: number): Outcome => {
  const topic = set.topic(name) ?? { name, partitions: null, barrier: null };
  // One change at a time: while an earlier one is carried out, this one is seen again later.
  if (topic.partitions === partitions || topic.barrier !== null) return done(false);
  const barrier = topic.partitions === null ? null : set.last('commitOrder');
  set.changedTopics.set(name, { ...topic, partitions, barrier });
  return done(true);
};

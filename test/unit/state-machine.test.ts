import { readFileSync } from 'node:fs';
import t from 'tap';
import { DEFAULT_CHECK_POLICY } from '../../broker/transaction/schedule.ts';
import {
  MESSAGE_TABLE,
  type MessageEvent,
  messageTransition,
  TRANSACTION_TABLE,
  type TransactionEvent,
  transition,
} from '../../broker/transaction/state-machine.ts';
import type { Message, Transaction } from '../../broker/transaction/transaction.ts';

const message: Message = {
  index: 0,
  topic: 'transfers',
  key: null,
  state: 'held',
  partition: null,
  commitOrder: null,
  offset: null,
  attempts: 0,
  lastError: null,
  endedAt: null,
  payloadBytes: 3,
};
const prepared: Transaction = {
  sequence: 1,
  id: 't1',
  group: 'bank-a',
  state: 'prepared',
  digest: Buffer.alloc(32),
  preparedAt: 1_000,
  resolvedAt: null,
  resolvedBy: null,
  nextCheckAt: 7_000,
  checkAttempts: 0,
  checkFailures: 0,
  lastCheckAt: null,
  lastCheckError: null,
  unresolved: false,
  contradicted: false,
  traceparent: null,
  tracestate: null,
  messages: [message],
};
const policy = { ...DEFAULT_CHECK_POLICY, limit: 3 };
const events: TransactionEvent[] = [
  { type: 'commit', by: 'producer' },
  { type: 'rollback', by: 'operator' },
  { type: 'commit', by: 'check' },
  { type: 'unknown', policy, random: 0 },
  { type: 'unknown', policy: { ...policy, limit: 1, onLimit: 'rollback' }, random: 0 },
  { type: 'no_answer', error: 'refused', policy, random: 0 },
  { type: 'nobody_to_ask' },
  { type: 'ask' },
];

/** Every transaction that can be reached in `depth` events, each with the event that led there. */
const explore = (start: Transaction, depth: number, visit: (from: Transaction, to: Transaction) => void): void => {
  if (depth === 0) return;
  for (const event of events) {
    const result = transition(start, event, start.preparedAt + depth);
    const next = result.kind === 'same' ? start : (result.next ?? start);
    visit(start, next);
    explore(next, depth - 1, visit);
  }
};

t.test('a resolution never flips, in whatever order events come', async t => {
  let seen = 0;
  let flips = 0;
  let changed = 0;
  explore(prepared, 5, (from, to) => {
    seen++;
    if (from.state === 'prepared') return;
    if (from.state !== to.state) flips++;
    if (from.resolvedAt !== to.resolvedAt || from.resolvedBy !== to.resolvedBy) changed++;
  });
  t.equal(flips, 0);
  t.equal(changed, 0);
  t.ok(seen > 30_000, `${seen} steps`);
});

t.test('the opposite resolution is a named refusal that marks the contradiction', async t => {
  const committed = transition(prepared, { type: 'commit', by: 'producer' }, 2_000);
  t.equal(committed.kind, 'changed');
  const { next } = committed as { next: Transaction };
  t.match(next, { state: 'committed', resolvedAt: 2_000, resolvedBy: 'producer', nextCheckAt: null });
  t.match(transition(next, { type: 'rollback', by: 'producer' }, 3_000), {
    kind: 'refused',
    refusal: 'ALREADY_COMMITTED',
    next: { state: 'committed', contradicted: true, resolvedAt: 2_000 },
  });
  t.match(transition(next, { type: 'commit', by: 'check' }, 3_000), { kind: 'same' });
  t.match(transition(next, { type: 'ask' }, 3_000), { kind: 'refused', refusal: 'ALREADY_COMMITTED', next: null });
});

t.test('unknown counts, no answer does not', async t => {
  let now = prepared;
  for (let i = 0; i < 50; i++) {
    const result = transition(now, { type: 'no_answer', error: 'refused', policy, random: 0 }, 10_000);
    now = (result as { next: Transaction }).next;
  }
  t.match(now, { checkAttempts: 0, checkFailures: 50, unresolved: false, lastCheckError: 'refused' });
  for (let i = 1; i <= 3; i++) {
    const result = transition(now, { type: 'unknown', policy, random: 0 }, 10_000);
    now = (result as { next: Transaction }).next;
    t.match(now, { checkAttempts: i, checkFailures: 0, unresolved: i === 3, state: 'prepared' });
  }
  t.equal(now.nextCheckAt, null, 'nobody is asked any more');
  const late = transition(now, { type: 'commit', by: 'producer' }, 11_000);
  t.match(late, { kind: 'changed', next: { state: 'committed', unresolved: false } });
  const again = transition(now, { type: 'ask' }, 11_000);
  t.match(again, { next: { unresolved: false, checkAttempts: 0, nextCheckAt: 11_000 } });
});

t.test('onLimit rollback decides by policy', async t => {
  const result = transition(
    prepared,
    { type: 'unknown', policy: { ...policy, limit: 1, onLimit: 'rollback' }, random: 0 },
    9_000,
  );
  t.match(result, { kind: 'changed', next: { state: 'rolled_back', resolvedBy: 'policy', nextCheckAt: null } });
});

t.test('a group without an address leaves the transaction to a person', async t => {
  t.match(transition(prepared, { type: 'nobody_to_ask' }, 7_000), {
    kind: 'changed',
    next: { state: 'prepared', unresolved: true, nextCheckAt: null, checkAttempts: 0 },
  });
});

t.test('messages end once, and only a parked one can be settled by hand', async t => {
  for (const state of Object.keys(MESSAGE_TABLE) as Message['state'][]) {
    for (const event of Object.keys(MESSAGE_TABLE[state]) as MessageEvent[]) {
      const result = messageTransition({ ...message, state }, event, 5);
      const ended = ['forwarded', 'discarded', 'dropped'].includes(state);
      if (ended && typeof result === 'object') t.equal(result.state, state, `${state} stays under ${event}`);
      if ((event === 'retry' || event === 'discard') && state !== 'parked') t.equal(result, 'NOT_PARKED');
    }
  }
  t.match(messageTransition({ ...message, state: 'ready' }, 'forward', 5), { state: 'forwarded', endedAt: 5 });
  t.match(messageTransition({ ...message, state: 'parked' }, 'retry', 5), { state: 'ready', endedAt: null });
});

t.test('ARCHITECTURE.md prints the tables as they are', async t => {
  const text = readFileSync('ARCHITECTURE.md', 'utf8');
  const row = (name: string, cells: object): string => `| ${[`\`${name}\``, ...Object.values(cells)].join(' | ')} |`;
  for (const [state, cells] of Object.entries({ ...TRANSACTION_TABLE, ...MESSAGE_TABLE })) {
    t.ok(text.includes(row(state, cells)), row(state, cells));
  }
});

/** A broker with a bit of everything on its console, the same each time: a morning in November at which something hangs. */
import { createHash } from 'node:crypto';
import { Metrics } from '../../broker/api/metrics.ts';
import type { MemoryRecord, Readiness } from '../../broker/api/surroundings.ts';
import { clock } from '../../broker/clock.ts';
import { consolePages } from '../../broker/console/console.ts';
import type { Command } from '../../broker/coordinator/commands.ts';
import { VERSION } from '../../broker/version.ts';
import { type ConsoleServer, startConsole } from './console-visitor.ts';
import { halfMessage, prepareCommand, producerGroup, type Scope } from './store.ts';

const OPERATOR_KEY = 'an-operator-key-of-at-least-32-characters';
const MINUTE = 60_000;
/** When the story begins, and when somebody looks. */
const BEGIN = Date.UTC(2026, 10, 21, 1, 30);
const LOOK = Date.UTC(2026, 10, 21, 3, 12);

/** Of whoever is on call: how she is named, and her key. */
const DANA = 'emq_5c1d3a90be24';
export const DANAS_KEY = `${DANA}_${'k'.repeat(43)}`;
const digestOf = (key: string): Buffer => createHash('sha256').update(key).digest();

const UNREACHABLE = 'connect ECONNREFUSED 10.20.0.7:8080';
const TOO_LARGE = 'The request included a message larger than the max message size the server will accept';
const NOT_ALLOWED = 'Not authorized to access topics: [Topic authorization failed]';

/** Figures of a broker that is in use: what happened since its start, a second later each time that somebody asks. */
const inUse = (): Metrics => {
  const totals = { prepared: 0, committed: 0, rolledBack: 0, checks: 0, forwarded: 0, parked: 0 };
  let second = 0;
  const metrics = new Metrics();
  metrics.sinceStart = () => {
    second++;
    const prepared = Math.round(34 + 9 * Math.sin(second / 41) + 8 * Math.sin(second / 13));
    const rolledBack = second % 150 < 75 ? 2 : 1;
    totals.prepared += prepared;
    totals.committed += prepared - rolledBack;
    totals.rolledBack += rolledBack;
    totals.forwarded += prepared - rolledBack;
    totals.checks += second % 7 === 0 ? 3 : 0;
    return totals;
  };
  return metrics;
};

const READINESS: Readiness = {
  status: 'degraded',
  checks: {
    process: { status: 'ok' },
    store: { status: 'ok' },
    kafka: { status: 'ok' },
    topics: { status: 'ok' },
    producerGroups: { status: 'degraded', detail: `do not answer: orders (${UNREACHABLE})` },
  },
};

const RECORD: MemoryRecord = {
  position: 1,
  topic: 'transfers',
  partition: 2,
  offset: 4711,
  key: Buffer.from('account-17'),
  value: Buffer.from('{"from":"account-17","to":"account-4","amount":12500}'),
  headers: [['ce_id', Buffer.from('tr-0001.0')]],
  timestamp: BEGIN,
};

export interface Stage extends ConsoleServer {
  /** So many leaps of half a second has the console's own clock before it: five minutes of figures pass at once. */
  readonly pace: { leaps: number };
}

interface Draft {
  readonly id: string;
  readonly group: string;
  readonly topic: string;
  readonly key: string;
  readonly payload: string;
}

const amount = (i: number): number => 100 * (((i * 37) % 190) + 10);

const draft = (kind: 'tr' | 'or' | 'po', i: number): Draft => {
  const id = `${kind}-${String(i).padStart(4, '0')}`;
  const account = `account-${(i * 7) % 90}`;
  if (kind === 'tr')
    return {
      id,
      group: 'payments',
      topic: 'transfers',
      key: account,
      payload: `{"from":"${account}","to":"account-${(i * 11) % 90}","amount":${amount(i)}}`,
    };
  if (kind === 'or')
    return { id, group: 'orders', topic: 'orders', key: `order-${i}`, payload: `{"order":${i},"total":${amount(i)}}` };
  return {
    id,
    group: 'loyalty',
    topic: 'points',
    key: account,
    payload: `{"account":"${account}","points":${i % 40}}`,
  };
};

const prepared = ({ id, group, topic, key, payload }: Draft): Command => {
  const message = halfMessage({
    topic,
    key: Buffer.from(key),
    payload: Buffer.from(payload),
    headers: [['tenant', Buffer.from('north')]],
    partition: 2,
  });
  return prepareCommand(id, group, [message], { afterMs: 200 * MINUTE });
};

const committed = ({ id }: Draft, reason: string | null = null): Command => ({
  type: 'resolve',
  id,
  resolution: 'commit',
  by: reason === null ? 'producer' : 'operator',
  who: reason === null ? 'producer' : `operator:${DANA}`,
  reason,
});

const numbered = (kind: 'tr' | 'or' | 'po', from: number, count: number): Draft[] =>
  Array.from({ length: count }, (_, i) => draft(kind, from + i));

/** Closed with the test. */
export const startStage = async (t: Scope, publisher: 'kafka' | 'memory' = 'kafka'): Promise<Stage> => {
  const pace = { leaps: 0 };
  const leap = { ms: 0 };
  const pages = consolePages({
    clock: {
      now: () => s.time.now,
      monotonic: () => {
        // Two looks at the clock are the second that it waits between two looks at the broker.
        if (pace.leaps-- > 0) leap.ms += 500;
        return clock.monotonic() + leap.ms;
      },
    },
    isSecure: false,
  });
  const s: ConsoleServer = await startConsole(t, {
    pages,
    operatorKey: OPERATOR_KEY,
    metrics: inUse(),
    readiness: () => READINESS,
    about: {
      version: VERSION,
      startedAt: BEGIN - 50 * 60 * MINUTE,
      publisher,
      source: 'escrowmq',
      retentionMs: 259_200_000,
    },
    ...(publisher === 'memory' ? { memory: { records: () => [RECORD] } } : {}),
  });
  await furnish(s);
  return { ...s, pace };
};

const furnish = async ({ coordinator, time }: ConsoleServer): Promise<void> => {
  const at = (minutes: number): void => {
    time.now = BEGIN + minutes * MINUTE;
  };
  const submit = async (commands: readonly Command[]): Promise<void> => void (await coordinator.submit(commands));
  const forwarded = ({ id }: Draft, i: number): Command => ({
    type: 'forwarded',
    transactionId: id,
    index: 0,
    offset: 48_000 + i,
  });

  at(-60);
  const check = { limit: 5 };
  const url = (name: string): string => `http://${name}.internal:8080/escrow/check`;
  await submit([
    {
      type: 'put_group',
      group: producerGroup('payments', { checkUrl: url('payments'), checkSecret: 'x'.repeat(24), check }),
    },
    { type: 'put_group', group: producerGroup('orders', { checkUrl: url('orders'), check }) },
    { type: 'put_group', group: producerGroup('loyalty', { topics: ['points'] }) },
    { type: 'topic_seen', topic: 'transfers', partitions: 6 },
    { type: 'topic_seen', topic: 'orders', partitions: 6 },
    { type: 'topic_seen', topic: 'points', partitions: 3 },
  ]);
  const key = (
    prefix: string,
    role: 'operator' | 'viewer' | 'producer',
    reason: string,
    group: string | null = null,
  ): Command => ({
    type: 'create_key',
    key: {
      prefix,
      role,
      group,
      hash: digestOf(prefix === DANA ? DANAS_KEY : prefix),
      createdBy: 'operator',
      reason,
      expiresAt: null,
    },
    isFromAnybody: false,
  });
  await submit([
    key(DANA, 'operator', 'Dana, on call'),
    key('emq_71b0c2d4e8f6', 'viewer', 'dashboard in the office'),
    key('emq_0d9e8c7b6a59', 'producer', 'payments service', 'payments'),
    key('emq_2f4e6a8c0b1d', 'producer', 'payments service', 'payments'),
  ]);
  await submit([{ type: 'revoke_key', prefix: 'emq_0d9e8c7b6a59', who: 'operator', reason: 'was in a log' }]);

  const usual = [...numbered('tr', 1, 900), ...numbered('or', 1, 420), ...numbered('po', 1, 150)];
  const stuck = numbered('tr', 901, 7);
  const unanswered = numbered('or', 421, 4);
  const refused = numbered('po', 151, 5);
  const forbidden = numbered('or', 425, 2);
  at(0);
  await submit(usual.map(prepared));
  await submit(usual.map(one => committed(one)));
  await submit(usual.map(forwarded));
  at(38);
  await submit([...stuck, ...unanswered, ...refused, ...forbidden].map(prepared));
  await submit([...refused, ...forbidden].map(one => committed(one)));
  at(41);
  await submit(refused.map(({ id }) => ({ type: 'park', transactionId: id, index: 0, error: TOO_LARGE })));
  await submit(forbidden.map(({ id }) => ({ type: 'park', transactionId: id, index: 0, error: NOT_ALLOWED })));
  for (let minute = 44; minute < 49; minute++) {
    at(minute);
    await submit(stuck.map(({ id }) => ({ type: 'answer', id, answer: 'unknown', error: null })));
    await submit(unanswered.map(({ id }) => ({ type: 'answer', id, answer: 'none', error: UNREACHABLE })));
  }
  await submit(unanswered.map(({ id }) => ({ type: 'answer', id, answer: 'nobody', error: null })));
  await submit([
    { type: 'group_health', group: 'payments', error: null },
    { type: 'group_health', group: 'orders', error: UNREACHABLE },
  ]);
  at(70);
  const settled = draft('tr', 908);
  const disputed = draft('tr', 909);
  const ended = [settled, disputed];
  await submit(ended.map(prepared));
  await submit([{ type: 'ask', id: settled.id, who: `operator:${DANA}`, reason: 'their database is back' }]);
  await submit([committed(settled, 'booked in the ledger, ticket 4711'), committed(disputed)]);
  await submit([{ type: 'resolve', id: disputed.id, resolution: 'rollback', by: 'producer', reason: null }]);
  await submit(ended.map(forwarded));
  time.now = LOOK - 30_000;
  const fresh = numbered('tr', 910, 6);
  await submit(fresh.map(prepared));
  await submit(fresh.slice(0, 2).map(one => committed(one)));
  time.now = LOOK;
};

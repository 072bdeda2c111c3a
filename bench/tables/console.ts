/** The operators' pages and lists over a large store, beside the same over a small one. */
import type { Bench } from '../bench.ts';
import { number } from '../figures.ts';
import { ERRORS, groupOf, idOf, topicOf } from '../load/large-store.ts';
import { type Answers, consoleOver, type Next, type RunningConsole } from '../systems/escrowmq-console.ts';
import type { Table } from '../table.ts';

const TIMES = 20;
const SMALL = 1_000;
const LARGE = 1_000_000;
const QUICK_LARGE = 20_000;
/** Numbers of transactions that there are in both stores: one in Kafka, one unresolved, one parked. */
const [SENT, UNRESOLVED, PARKED] = [950, 300, 301];

interface Asked {
  readonly cell: string;
  readonly path: string;
  readonly next?: Next;
}

const queryOf = (members: Record<string, string>): string => new URLSearchParams(members).toString();

/** A page that goes on by itself says where. */
const nextLook: Next = text => {
  const found = /hx-get="(\/console\/transactions\/more[^"]*)"/.exec(text);
  return found === null ? null : found[1]!.replaceAll('&amp;', '&');
};

const nextPageOf =
  (path: string): Next =>
  text => {
    const { nextCursor } = JSON.parse(text) as { nextCursor: string | null };
    return nextCursor === null ? null : `${path}&${queryOf({ cursor: nextCursor })}`;
  };

const page = (path: string, next?: Next): Asked => ({ cell: path, path: `/console${path}`, ...(next && { next }) });
const call = (path: string, next?: Next): Asked => ({
  cell: `GET ${path}`,
  path,
  ...(next && { next }),
});

/** Of nobody, and as long as most keys: each of these has to be read. */
const ABSENT = 'account-none0';
const NOWHERE = `/v1/transactions?key=${ABSENT}`;
const unresolvedAlike = queryOf({ group: groupOf(UNRESOLVED), lastError: ERRORS[0]! });
const parkedAlike = queryOf({ topic: topicOf(PARKED), lastError: ERRORS[0]! });

const ASKED: readonly Asked[] = [
  { ...page(''), cell: 'overview' },
  page('/attention'),
  page('/transactions'),
  page('/transactions?state=prepared'),
  page('/transactions?is=unresolved'),
  page('/transactions?is=parked'),
  page(`/transactions?group=${groupOf(SENT)}`),
  page(`/transactions?topic=${topicOf(SENT)}`),
  page('/transactions?until=2026-01-01T00:00', nextLook),
  page(`/transactions?key=${ABSENT}`, nextLook),
  page(`/transactions?is=parked&key=${ABSENT}`, nextLook),
  page(`/transactions/${idOf(SENT)}`),
  page(`/transactions/${idOf(PARKED)}?show=0`),
  page('/unresolved'),
  page('/unresolved/list'),
  page(`/unresolved/list?${unresolvedAlike}`),
  page('/parked'),
  page('/parked/list'),
  page(`/parked/list?${parkedAlike}`),
  page('/producer-groups'),
  page(`/producer-groups/${groupOf(SENT)}`),
  page('/topics'),
  page('/history'),
  page('/history?target=nothing'),
  page('/keys'),
  page('/records'),
  page('/jobs'),
  call('/v1/status'),
  call('/v1/attention'),
  call('/v1/transactions?limit=500'),
  call('/v1/transactions?unresolved=true&limit=500'),
  call('/v1/transactions?parked=true&limit=500'),
  call(NOWHERE, nextPageOf(NOWHERE)),
  call('/v1/messages?state=parked&limit=500'),
  call('/v1/acts?limit=500'),
  call('/v1/acts?act=discard'),
  call('/v1/producer-groups'),
  call('/v1/topics'),
  call('/v1/keys'),
];

const run = async (bench: Bench): Promise<void> => {
  const sizes = [SMALL, bench.options.quick ? QUICK_LARGE : LARGE];
  const present = await bench.present(sizes.map(size => ({ key: String(size), system: consoleOver(size) })));
  for (const round of bench.rounds) {
    for (const { system } of present) {
      await bench.withFresh({ system, round, cell: 'fill', parameters: {} }, async started => {
        const running = started as RunningConsole;
        for (const { cell, path, next } of ASKED) {
          const parameters = { path, times: TIMES };
          await bench.measure({ system, round, cell, parameters }, () => running.answers(path, TIMES, next));
        }
      });
    }
  }
};

const SMALL_NAME = consoleOver(SMALL).name;

export const consoleTable: Table<Answers> = {
  name: 'console',
  summary: 'the operators’ pages and lists over a large store',
  reading: `Each page and call is asked for ${TIMES} times, one at a time, of a broker without other work; the time is the caller’s, from
the request to the end of the answer, so it includes HTTP. 1 % of the transactions is unresolved, 1 % parked, 1 % was settled by
an operator; there are 100 groups and 100 topics. Ratios are to the small store: lower is better, and 1 means that its
size costs nothing. A search that finds nothing takes several requests, each bounded; the figures are those of a single
one, \`whole\` is all of them. Loop: the longest time within all ${TIMES} that the broker’s one thread was kept from other work,
by Node’s own measure, which tells nothing below 10 ms. Asked for is less than 200 ms for every answer.`,
  main: { heading: 'median ms', value: ({ medianMs }) => medianMs },
  reference: ({ cell }) => ({ system: SMALL_NAME, cell }),
  columns: [
    number('worst ms', ({ worstMs }) => worstMs),
    number('loop ms', ({ loopMs }) => loopMs),
    number('requests', ({ requests }) => requests),
    number('whole ms', ({ wholeMs }) => wholeMs),
    number('KiB', ({ bytes }) => bytes, 1 / 1024),
  ],
  run,
};

/**
 * What tracing costs the broker's thread: the same transactions through the coordinator into a real store, in turns with what
 * makes their spans and without it.
 *
 *   node bench/tracing-cost.ts [--rounds 60] [--sdk]
 *
 * Every transaction carries a sampled `traceparent`, the dearest case. Without `--sdk` nobody has registered a tracer
 * provider, as in a broker that is not traced; with it OpenTelemetry's SDK makes every span and throws it away. Prints one
 * JSON line: CPU of the thread in microseconds per transaction (prepare, commit and forward), medians of all rounds, and of each
 * pair how much dearer it was with tracing, in percent: median and quartiles.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { trace } from '@opentelemetry/api';
import { NoopSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { recordOperation } from '../broker/api/operation-spans.ts';
import { clock } from '../broker/clock.ts';
import type { Command, Outcome } from '../broker/coordinator/commands.ts';
import { Coordinator } from '../broker/coordinator/coordinator.ts';
import { newGroup } from '../broker/coordinator/key-decisions.ts';
import { recordSend } from '../broker/forward/send-spans.ts';
import { NO_TRACE } from '../broker/protocol/trace-context.ts';
import { openSqliteStore } from '../broker/store/sqlite-store.ts';
import { spanStart, unobserved } from '../broker/tracing.ts';
import { contentDigest, type DigestedMessage } from '../broker/transaction/content.ts';
import { newTransactionId } from '../producer-sdk/client/transaction-id.ts';
import { median, percentile } from './spread.ts';

/** Of one measurement: submissions, and transactions in each, about as many as a loaded broker puts into one commit. */
const SUBMISSIONS = 20;
const SIZE = 50;
const WARM_UP_ROUNDS = 10;
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const LANE = { topic: 'transfers', partition: 0 };

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '60' }, sdk: { type: 'boolean', default: false } },
});
if (options.sdk) {
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new NoopSpanProcessor()] }));
}

const dataDir = mkdtempSync(join(tmpdir(), 'escrowmq-tracing-cost-'));
const store = openSqliteStore({ dataDir });
const onFatal = (error: Error): never => {
  throw error;
};
const coordinator = await Coordinator.open({ store, clock, random: Math.random, onFatal });
await coordinator.submit([
  { type: 'put_group', group: newGroup('bench') },
  { type: 'topic_seen', topic: LANE.topic, partitions: 1 },
]);

const message: DigestedMessage = {
  ...{ topic: LANE.topic, key: Buffer.from('account-17'), payload: Buffer.alloc(512, 'x'), headers: [] },
  ...{ contentType: 'application/json', type: 'transfer.made', partition: null },
};
const digest = contentDigest('bench', [message]);

const prepareOf = (id: string): Command => ({
  ...{ type: 'prepare', id, group: 'bench', messages: [message], digest, afterMs: null, refusal: null },
  ...{ traceparent: TRACEPARENT, tracestate: null },
});
const commitOf = (id: string): Command => ({ type: 'resolve', id, resolution: 'commit', by: 'producer', reason: null });

/** As the doors do it. */
const operate = async (commands: readonly Command[], isTraced: boolean): Promise<Outcome[]> => {
  if (!isTraced) return coordinator.submit(commands);
  const startedAt = spanStart();
  const outcomes = await coordinator.submit(commands);
  for (const [i, command] of commands.entries()) recordOperation(command, outcomes[i]!, { trace: NO_TRACE, startedAt });
  return outcomes;
};

let cursor = 0;
const forward = async (isTraced: boolean): Promise<void> => {
  const messages = await store.readyMessages(LANE, cursor, Number.MAX_SAFE_INTEGER, SIZE, Number.MAX_SAFE_INTEGER);
  cursor = messages.at(-1)!.commitOrder;
  if (isTraced) {
    const startedAt = spanStart();
    await unobserved(async () => {});
    recordSend({ ...LANE, messages, startedAt, outcome: 0 });
  }
  await coordinator.submit(
    messages.map(({ transactionId, index }) => ({ type: 'forwarded', transactionId, index, offset: 0 })),
  );
};

/** CPU of this thread, microseconds per transaction. */
const measure = async (isTraced: boolean): Promise<number> => {
  const before = process.threadCpuUsage();
  for (let i = 0; i < SUBMISSIONS; i++) {
    const ids = Array.from({ length: SIZE }, newTransactionId);
    await operate(ids.map(prepareOf), isTraced);
    await operate(ids.map(commitOf), isTraced);
    await forward(isTraced);
  }
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / (SUBMISSIONS * SIZE);
};

const rounds: { plain: number; traced: number }[] = [];
for (let round = -WARM_UP_ROUNDS; round < Number(options.rounds); round++) {
  // Whoever comes second finds warmer caches, or a checkpoint under way.
  const isTracedFirst = round % 2 === 0;
  const first = await measure(isTracedFirst);
  const second = await measure(!isTracedFirst);
  const pair = isTracedFirst ? { traced: first, plain: second } : { traced: second, plain: first };
  if (round >= 0) rounds.push(pair);
}
await store.close();
rmSync(dataDir, { recursive: true });

const digits = (value: number): number => Number(value.toFixed(1));
const dearer = rounds.map(({ plain, traced }) => (traced / plain - 1) * 100).toSorted((a, b) => a - b);
console.log(
  JSON.stringify({
    provider: options.sdk ? 'sdk' : 'none',
    rounds: rounds.length,
    plainMicros: digits(median(rounds.map(({ plain }) => plain))),
    tracedMicros: digits(median(rounds.map(({ traced }) => traced))),
    dearerPercent: [0.25, 0.5, 0.75].map(part => digits(percentile(dearer, part))),
  }),
);

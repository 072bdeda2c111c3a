/**
 * What a record costs the broker's thread on its way to Kafka: kafkajs, and in turns with it another publisher behind the
 * same seam.
 *
 *   node bench/publishers.ts [--other FILE] [--rounds 3] [--sizes 5,15,50,200] [--modes paced,unpaced] [--seconds 2]
 *
 * FILE is a module whose one class is a publisher that is made like KafkaPublisher. Starts one Kafka node, and a process
 * of its own for each cell, so that no client runs in code that was compiled for the other. Prints one JSON line a cell,
 * then one line a comparison with the medians of the rounds.
 */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { cloudEvent } from '../broker/forward/cloud-event.ts';
import { type ForwardLog, KafkaPublisher, type KafkaSettings } from '../broker/forward/kafka-publisher.ts';
import type { KafkaRecord, Publisher } from '../broker/forward/publisher.ts';
import { createTopic, deleteTopic } from '../test/support/topics.ts';
import { startKafka } from '../tools/kafka/cluster.ts';

const PARTITIONS = 6;
const PAYLOAD_BYTES = 512;
/** As the forwarder's default. */
const PACE_MS = 10;
const WARM_UP_MS = 1_000;
const CELL_TIMEOUT_MS = 60_000;

type PublisherClass = new (settings: KafkaSettings, log: ForwardLog) => Publisher;
type Mode = 'paced' | 'unpaced';

interface Cell {
  /** The file of another publisher; null: kafkajs. */
  readonly other: string | null;
  /** `paced`: every 10 ms a send to each partition that has none in flight. `unpaced`: the next as soon as one is answered. */
  readonly mode: Mode;
  readonly recordsPerSend: number;
  readonly seconds: number;
  readonly brokers: readonly string[];
  readonly topic: string;
}

interface Result {
  readonly recordsPerSecond: number;
  /** CPU of the main thread, of the whole process (with garbage collection beside it), and time not idle in the event loop. */
  readonly threadMicrosPerRecord: number;
  readonly processMicrosPerRecord: number;
  readonly activeMicrosPerRecord: number;
  readonly sendMs: { readonly p50: number; readonly p99: number };
  readonly failed: number;
}

const quiet = { debug: () => {}, info: () => {}, warn: () => {} };

const round = (value: number, digits = 2): number => Number(value.toFixed(digits));
const quantile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN;

/** As the forwarder makes them: payload, key, and the headers of a CloudEvent. */
const recordsOf = (count: number): KafkaRecord[] =>
  Array.from({ length: count }, (_, index) =>
    cloudEvent(
      {
        ...{ transactionId: `0197a1b2-c3d4-7e5f-8a6b-${String(index).padStart(12, '0')}`, index: 0, group: 'bank-a' },
        ...{ commitOrder: index, topic: 'transfers', partition: 0, resolvedAt: 1_795_000_000_000, preparedAt: 0 },
        ...{ key: Buffer.from(`account-${index}`), payload: Buffer.alloc(PAYLOAD_BYTES, 'x'), headers: [] },
        ...{ type: 'transfer.made', contentType: 'application/json', traceparent: null, tracestate: null },
      },
      'escrowmq',
    ),
  );

const publisherIn = async (file: string): Promise<PublisherClass> => {
  const exported: Record<string, unknown> = await import(pathToFileURL(resolve(file)).href);
  const found = Object.values(exported).find(value => typeof value === 'function' && 'send' in value.prototype);
  if (!found) throw new Error(`${file} exports no publisher.`);
  return found as PublisherClass;
};

const measure = async ({ other, mode, recordsPerSend, seconds, brokers, topic }: Cell): Promise<Result> => {
  const settings = { brokers, clientId: 'publishers' };
  const Chosen = other === null ? KafkaPublisher : await publisherIn(other);
  const publisher = new Chosen(settings, quiet);
  const records = recordsOf(recordsPerSend);
  let sent = 0;
  let failed = 0;
  let running = true;
  let tookMs: number[] = [];
  const send = async (partition: number): Promise<void> => {
    const began = performance.now();
    try {
      await publisher.send(topic, partition, records);
      sent += recordsPerSend;
      tookMs.push(performance.now() - began);
    } catch {
      failed++;
    }
  };
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  const pace = async (): Promise<void> => {
    const busy = new Set<number>();
    const sends = new Set<Promise<void>>();
    for (let next = performance.now(); running; next = Math.max(next + PACE_MS, performance.now())) {
      for (const partition of partitions) {
        if (busy.has(partition)) continue;
        busy.add(partition);
        const sending = send(partition).finally(() => {
          busy.delete(partition);
          sends.delete(sending);
        });
        sends.add(sending);
      }
      await delay(Math.max(0, next + PACE_MS - performance.now()));
    }
    await Promise.all(sends);
  };
  const lane = async (partition: number): Promise<void> => {
    while (running) await send(partition);
  };
  const load = mode === 'paced' ? pace() : Promise.all(partitions.map(lane));
  await delay(WARM_UP_MS);
  [sent, failed, tookMs] = [0, 0, []];
  const before = {
    ...{ at: performance.now(), loop: performance.eventLoopUtilization() },
    ...{ thread: process.threadCpuUsage(), process: process.cpuUsage() },
  };
  await delay(seconds * 1_000);
  const [thread, whole] = [process.threadCpuUsage(before.thread), process.cpuUsage(before.process)];
  const { active } = performance.eventLoopUtilization(before.loop);
  const elapsedMs = performance.now() - before.at;
  const result: Result = {
    recordsPerSecond: Math.round((sent / elapsedMs) * 1_000),
    threadMicrosPerRecord: round((thread.user + thread.system) / sent),
    processMicrosPerRecord: round((whole.user + whole.system) / sent),
    activeMicrosPerRecord: round((active * 1_000) / sent),
    sendMs: { p50: round(quantile(tookMs, 0.5)), p99: round(quantile(tookMs, 0.99)) },
    failed,
  };
  running = false;
  await load;
  await publisher.close(2_000);
  return result;
};

const inOwnProcess = async (cell: Cell): Promise<Result> => {
  const args = [fileURLToPath(import.meta.url), '--cell', JSON.stringify(cell)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: CELL_TIMEOUT_MS });
  return JSON.parse(stdout);
};

const median = (values: readonly number[]): number => quantile(values, 0.5);

const { values: options } = parseArgs({
  options: {
    other: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    sizes: { type: 'string', default: '5,15,50,200' },
    modes: { type: 'string', default: 'paced,unpaced' },
    seconds: { type: 'string', default: '2' },
    cell: { type: 'string' },
  },
});

const compareAll = async (): Promise<void> => {
  const kafka = await startKafka();
  const publishers = options.other === undefined ? [null] : [null, options.other];
  const results = new Map<string, Result[]>();
  const shapes = options.modes
    .split(',')
    .flatMap(mode => options.sizes.split(',').map(size => ({ mode: mode as Mode, recordsPerSend: Number(size) })));
  try {
    let topics = 0;
    for (let turn = 1; turn <= Number(options.rounds); turn++) {
      for (const { mode, recordsPerSend } of shapes) {
        for (const other of publishers) {
          const topic = `publishers-${topics++}`;
          await createTopic(kafka, topic, { partitions: PARTITIONS });
          const cell = {
            other,
            mode,
            recordsPerSend,
            seconds: Number(options.seconds),
            brokers: kafka.brokers,
            topic,
          };
          const result = await inOwnProcess(cell);
          await deleteTopic(kafka, topic);
          console.log(JSON.stringify({ round: turn, publisher: other ?? 'kafkajs', mode, recordsPerSend, ...result }));
          const name = `${mode} ${recordsPerSend} ${other}`;
          results.set(name, [...(results.get(name) ?? []), result]);
        }
      }
    }
  } finally {
    await kafka.close();
  }
  for (const { mode, recordsPerSend } of shapes) {
    const [kafkajs, other] = publishers.map(publisher =>
      median(results.get(`${mode} ${recordsPerSend} ${publisher}`)!.map(result => result.threadMicrosPerRecord)),
    );
    const compared = other === undefined ? {} : { other, savedPercent: Math.round((1 - other / kafkajs!) * 100) };
    console.log(JSON.stringify({ mode, recordsPerSend, threadMicrosPerRecord: { kafkajs, ...compared } }));
  }
};

if (options.cell) console.log(JSON.stringify(await measure(JSON.parse(options.cell))));
else await compareAll();

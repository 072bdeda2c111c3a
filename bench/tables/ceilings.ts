/** What the parts of the broker would allow alone: the same storage without a broker, HTTP without storage, … */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { VERSION } from '../../broker/version.ts';
import { BrokerProcess } from '../../test/support/broker-process.ts';
import { kafkaAvailable } from '../../tools/kafka/cluster.ts';
import type { Bench, Contender } from '../bench.ts';
import { number, p50p99, total } from '../figures.ts';
import type { BareBrokerReady } from '../load/bare-broker.ts';
import { LoadProcess } from '../load/child.ts';
import type { ProducerOrder, ProducerReport } from '../load/messages.ts';
import type { StorageOrder, StorageReport } from '../load/storage-alone.ts';
import { measureUsage } from '../process-usage.ts';
import { spreadOf } from '../spread.ts';
import type { Running, Spread, System } from '../system.ts';
import { folderBytes, freshTopic } from '../systems/escrowmq.ts';
import type { Table } from '../table.ts';

interface Order {
  /** Transactions in flight or in a group, or records in a send. */
  readonly size: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly payloadBytes: number;
}

/** Counts whole transactions, and records where there is nothing but Kafka. */
interface Ceiling {
  readonly perSecond: number;
  /** CPU of the process under measure, and of its load, for each; microseconds. */
  readonly cpuMicros: number;
  readonly loadCpuMicros: number | null;
  readonly callMs: Spread | null;
  readonly prepareMs: Spread | null;
  readonly commitMs: Spread | null;
  /** Records that really went out, where `perSecond` is what would fill the process. */
  readonly sentPerSecond: number | null;
  readonly failed: number;
}

interface RunningCeiling extends Running {
  ceiling(order: Order): Promise<Ceiling>;
}

interface Part extends Contender {
  readonly sizes: readonly number[];
  cellOf(size: number): string;
}

const PAYLOAD_BYTES = 512;
const IN_FLIGHT = [16, 64];
const GROUPS = [8, 32, 128];
/** Small sends as under a moderate load, and as large as the forwarder makes them. */
const RECORDS_PER_SEND = [15, 50, 500];
const WARM_UP_IN_FLIGHT = 64;
const PUBLISHER_PATIENCE_MS = 60_000;
const BROKER = 'escrowmq, memory publisher';
const BARE = 'bare handler';
const SQLITE = 'SQLite alone';

/** Fed from memory: there is no load beside it and nobody who calls. */
const NO_CALLS = { loadCpuMicros: null, callMs: null, prepareMs: null, commitMs: null };

const inFlight = (size: number): string => `${size} in flight`;
const groupsOf = (size: number): string => `groups of ${size}`;
const sendsOf = (size: number): string => `sends of ${size}`;

const versionOf = (name: string): string => createRequire(import.meta.url)(`${name}/package.json`).version;

/** Nothing here has a consumer, so none of it can be asked what arrives. */
const runningIn = (
  folder: string,
  ceiling: RunningCeiling['ceiling'],
  stop: () => Promise<unknown>,
): RunningCeiling => ({
  ceiling,
  throughput: () => Promise.reject(new Error('a ceiling has no consumer')),
  diskBytes: async () => folderBytes(folder),
  stop: async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  },
});

const phase = async (producer: LoadProcess, word: 'warm up' | 'measure'): Promise<ProducerReport> => {
  const report = producer.nextEvent<ProducerReport>('phase');
  producer.send(word);
  return report;
};

/** Single calls to whoever listens there; what was answered counts. */
const answered = async (url: string, pid: number, { size, ...order }: Order): Promise<Ceiling> => {
  const cell = { ...order, inFlight: size, localMs: null };
  const producerOrder: ProducerOrder = { url, topic: 'bench', calls: 'single', cell, large: null };
  const producer = new LoadProcess('bench/load/producer.ts', [JSON.stringify(producerOrder)]);
  try {
    await producer.nextEvent('ready');
    await phase(producer, 'warm up');
    const stopUsage = measureUsage({ server: pid, producer: producer.pid });
    const { prepareMs, commitMs, commitAt, startedAt, endedAt, failed } = await phase(producer, 'measure');
    const { server, producer: load } = stopUsage();
    const accepted = [...commitAt.keys()].filter(i => commitAt[i] !== 0);
    const spread = (time: (index: number) => number): Spread => spreadOf(Float64Array.from(accepted, time));
    return {
      perSecond: (accepted.length * 1000) / (endedAt - startedAt),
      cpuMicros: (server!.cpuSeconds * 1e6) / accepted.length,
      loadCpuMicros: (load!.cpuSeconds * 1e6) / accepted.length,
      callMs: spread(i => prepareMs[i]! + commitMs[i]!),
      prepareMs: spread(i => prepareMs[i]!),
      commitMs: spread(i => commitMs[i]!),
      sentPerSecond: null,
      failed,
    };
  } finally {
    await producer.stop();
  }
};

const broker: System = {
  name: BROKER,
  version: VERSION,
  durability: 'prepare and commit each fsynced before their answers; records stay in memory',
  unavailable: async () => null,
  start: async folder => {
    const process = new BrokerProcess(path.join(folder, 'data'), { args: ['--publisher', 'memory'] });
    await process.start();
    // Nobody is asked while the benchmark lasts.
    await process.put('/v1/producer-groups/bench', { checkUrl: null, check: { afterMs: 3_600_000 } });
    return runningIn(
      folder,
      order => answered(process.url, process.pid, order),
      () => process.stop(),
    );
  },
};

const fastify = (name: string, durability: string, isStored: boolean): System => ({
  name,
  version: `Fastify ${versionOf('fastify')}`,
  durability,
  unavailable: async () => null,
  start: async folder => {
    const server = new LoadProcess('bench/load/bare-broker.ts', isStored ? [path.join(folder, 'bare.db')] : []);
    const { url } = await server.nextEvent<BareBrokerReady>('ready');
    return runningIn(
      folder,
      order => answered(url, server.pid, order),
      () => server.stop(),
    );
  },
});

const stored = async (order: StorageOrder): Promise<Ceiling> => {
  const storage = new LoadProcess('bench/load/storage-alone.ts', [JSON.stringify(order)]);
  try {
    const { transactions, storageMs, cpuMicros } = await storage.nextEvent<StorageReport>('stored');
    return {
      perSecond: (transactions * 1000) / storageMs,
      cpuMicros: cpuMicros / transactions,
      ...NO_CALLS,
      sentPerSecond: null,
      failed: 0,
    };
  } finally {
    await storage.stop();
  }
};

const sqlite = (name: string, synchronous: StorageOrder['synchronous'], durability: string): System => ({
  name,
  version: `better-sqlite3 ${versionOf('better-sqlite3')}`,
  durability,
  unavailable: async () => null,
  start: async folder =>
    runningIn(
      folder,
      ({ size, ...order }) =>
        stored({ ...order, synchronous, group: size, databaseFile: path.join(folder, `${size}.db`) }),
      async () => {},
    ),
});

/** One cell of bench/publishers.ts, which runs it in the process that it is started as. */
const published = async (brokers: readonly string[], { size, seconds }: Order): Promise<Ceiling> => {
  const topic = await freshTopic(brokers);
  const cell = JSON.stringify({ other: null, mode: 'paced', recordsPerSend: size, seconds, brokers, topic });
  const args = ['--disable-warning=TimeoutNegativeWarning', 'bench/publishers.ts', '--cell', cell];
  const timeout = PUBLISHER_PATIENCE_MS + seconds * 1000;
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout });
  const { activeMicrosPerRecord, processMicrosPerRecord, recordsPerSecond, failed } = JSON.parse(stdout);
  return {
    perSecond: 1e6 / activeMicrosPerRecord,
    cpuMicros: processMicrosPerRecord,
    ...NO_CALLS,
    sentPerSecond: recordsPerSecond,
    failed,
  };
};

const kafkajs = ({ kafka }: Bench): System => ({
  name: 'kafkajs alone',
  version: versionOf('kafkajs'),
  durability: 'Kafka acks=all, one node, its default flush',
  unavailable: async () => {
    const { how, why = '' } = kafkaAvailable();
    return how === 'none' ? why : null;
  },
  start: async folder => {
    const { brokers } = await kafka();
    return runningIn(
      folder,
      order => published(brokers, order),
      async () => {},
    );
  },
});

/** In the order in which they take turns: those that are compared stand beside each other. */
const partsFor = (bench: Bench): readonly Part[] => {
  const http = { sizes: IN_FLIGHT, cellOf: inFlight };
  const storage = { sizes: GROUPS, cellOf: groupsOf };
  const each = 'one commit a turn of the event loop, fsynced before its answers';
  const bound = 'nothing is flushed: a bound, no option';
  return [
    { key: 'memory', system: broker, ...http },
    { key: 'bare', system: fastify(BARE, each, true), ...http },
    { key: 'empty', system: fastify('empty handler', 'nothing is stored', false), ...http },
    { key: 'sqlite', system: sqlite(SQLITE, 'FULL', 'each group fsynced'), ...storage },
    { key: 'sqlite-off', system: sqlite(`${SQLITE}, synchronous=OFF`, 'OFF', bound), ...storage },
    { key: 'kafkajs', system: kafkajs(bench), sizes: RECORDS_PER_SEND, cellOf: sendsOf },
  ];
};

const run = async (bench: Bench): Promise<void> => {
  const { quick } = bench.options;
  const order = { warmUpSeconds: quick ? 0.5 : 3, seconds: bench.seconds(6, 1), payloadBytes: PAYLOAD_BYTES };
  const parts = partsFor(bench);
  const present = new Set(await bench.present(parts));
  for (const round of bench.rounds) {
    for (const part of parts.filter(candidate => present.has(candidate))) {
      const { system, sizes, cellOf } = part;
      await bench.withFresh({ system, round, cell: 'start', parameters: {} }, async started => {
        const running = started as RunningCeiling;
        if (cellOf === inFlight) {
          // Not measured: whatever is compiled by use has been used before the first cell.
          await running.ceiling({ ...order, size: WARM_UP_IN_FLIGHT, warmUpSeconds: 0, seconds: quick ? 1 : 8 });
        }
        for (const size of sizes) {
          const parameters: Order = { ...order, size };
          await bench.measure({ system, round, cell: cellOf(size), parameters }, () => running.ceiling(parameters));
        }
      });
    }
  }
};

export const ceilings: Table<Ceiling> = {
  name: 'ceilings',
  summary: 'what the broker reaches without Kafka, and what its parts would allow alone',
  reading: `Transactions of one message with ${PAYLOAD_BYTES} B, prepared and committed; what was answered counts. The ratio that matters is
that of ${BROKER}, to the ${BARE} in the same cell: the same single calls, the same statements and the
same group commit, without validation, history, counters, metrics and forwarding; the aim is 0.6 or more. The empty
handler answers at once. All of these share the cores with their load. ${SQLITE} is fed from memory: each commit holds a
group of new transactions, the resolutions of the group before and the forward marks of the one before that; its time is
that spent in the storage, and OFF is compared with the durable one. kafkajs sends records into one topic of 6
partitions, paced as the forwarder does, on the same cores as Kafka: per second is what would leave its event loop no
idle time in sends of that size, sent is what went out.`,
  main: { heading: 'per second', value: ({ perSecond }) => perSecond },
  reference: ({ cell }) => {
    if (IN_FLIGHT.map(inFlight).includes(cell)) return { system: BARE, cell };
    return GROUPS.map(groupsOf).includes(cell) ? { system: SQLITE, cell } : null;
  },
  columns: [
    number('µs each', ({ perSecond }) => 1e6 / perSecond),
    p50p99('call', ({ callMs }) => callMs),
    number('prepare p99 ms', ({ prepareMs }) => prepareMs?.p99),
    number('commit p99 ms', ({ commitMs }) => commitMs?.p99),
    number('CPU µs', ({ cpuMicros }) => cpuMicros),
    number('CPU µs of the load', ({ loadCpuMicros }) => loadCpuMicros),
    number('sent/s', ({ sentPerSecond }) => sentPerSecond),
    total('failed', ({ failed }) => failed),
  ],
  run,
};

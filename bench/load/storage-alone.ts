/**
 * The storage fed from memory, in a process of its own: each commit holds so many new transactions, the resolutions of
 * the group before and the forward marks of the one before that.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { newTransactionId } from '../../producer-sdk/client/transaction-id.ts';
import { BareStorage } from './bare-storage.ts';
import { payloads } from './messages.ts';
import { sharedNow } from './moment.ts';

export interface StorageOrder {
  readonly databaseFile: string;
  readonly synchronous: 'FULL' | 'OFF';
  /** Transactions in a group. */
  readonly group: number;
  readonly payloadBytes: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** Of the measured time. */
export interface StorageReport {
  readonly event: 'stored';
  readonly transactions: number;
  /** Spent in the storage; what it takes to make ids and to let the event loop turn is not in it. */
  readonly storageMs: number;
  /** Of the whole process, the checkpoints' thread and the making of ids with it. */
  readonly cpuMicros: number;
}

const { databaseFile, synchronous, group, payloadBytes, warmUpSeconds, seconds } = JSON.parse(
  process.argv[2]!,
) as StorageOrder;

const storage = new BareStorage(databaseFile, synchronous);
const payload = Buffer.from(payloads(payloadBytes)(0));
let earlier: readonly string[] = [];

const store = async (forSeconds: number): Promise<StorageReport> => {
  const cpu = process.cpuUsage();
  const end = sharedNow() + forSeconds * 1000;
  let transactions = 0;
  let storageMs = 0;
  while (sharedNow() < end) {
    const ids = Array.from({ length: group }, newTransactionId);
    const prepares = ids.map(id => ({ id, payload }));
    const began = sharedNow();
    storage.save(prepares, earlier);
    storageMs += sharedNow() - began;
    transactions += group;
    earlier = ids;
    // As between the commits of a broker; the checkpoints' thread is heard here.
    await nextTurn();
  }
  const { user, system } = process.cpuUsage(cpu);
  return { event: 'stored', transactions, storageMs, cpuMicros: user + system };
};

process.on('disconnect', () => process.exit(0));
await store(warmUpSeconds);
process.send!(await store(seconds));

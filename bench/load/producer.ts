/** The load's producer: a process of its own that runs so many transactions at once, first to warm up, then measured. */

import { newTransactionId } from '../../producer-sdk/client/transaction-id.ts';
import { createClient } from '../../producer-sdk/index.ts';
import type { Cell } from '../system.ts';
import { isLarge, type ProducerOrder, type ProducerReport, payloads } from './messages.ts';
import { sharedNow } from './moment.ts';
import { RawConnection } from './raw-connection.ts';

/** The two calls of one transaction. They reject where the broker did not accept. */
interface Calls {
  prepare(id: string, payload: string): Promise<void>;
  commit(id: string): Promise<void>;
}

const GROUP = 'bench';

const singleCalls = async ({ url, topic }: ProducerOrder): Promise<Calls> => {
  const connection = await RawConnection.open(url);
  const post = async (path: string, json: string | null, right: number): Promise<void> => {
    const { status, body } = await connection.post(path, json);
    if (status !== right) throw new Error(`${path}: ${status} ${body}`);
  };
  return {
    prepare: (id, payload) =>
      post('/v1/transactions', JSON.stringify({ id, group: GROUP, messages: [{ topic, payload }] }), 201),
    commit: id => post(`/v1/transactions/${id}/commit`, null, 200),
  };
};

const clientCalls = ({ url, topic }: ProducerOrder): Calls => {
  const client = createClient({ url, group: GROUP });
  return {
    prepare: async (id, payload) => {
      const { state } = await client.prepare({ id, messages: [{ topic, key: null, payload }] });
      if (state !== 'prepared') throw new Error(`${id} was ${state} before its local transaction`);
    },
    commit: async id => {
      await client.commit(id);
    },
  };
};

/** One for each transaction under way: a connection of its own, or the one client that all share. */
const lanesOf = async (order: ProducerOrder): Promise<readonly Calls[]> => {
  const { inFlight } = order.cell;
  if (order.calls === 'single') return Promise.all(Array.from({ length: inFlight }, () => singleCalls(order)));
  return new Array<Calls>(inFlight).fill(clientCalls(order));
};

const local = ({ localMs }: Cell): Promise<void> | null =>
  localMs === null
    ? null
    : new Promise(resolve => setTimeout(resolve, localMs.min + Math.random() * (localMs.max - localMs.min)));

let numbers = 0;

const phase = async (order: ProducerOrder, lanes: readonly Calls[], seconds: number): Promise<ProducerReport> => {
  const ordinary = payloads(order.cell.payloadBytes);
  const large = payloads(order.large?.bytes ?? 0);
  const payloadOf = (number: number): string => (isLarge(number, order.large) ? large(number) : ordinary(number));
  const prepareMs: number[] = [];
  const commitMs: number[] = [];
  const commitAt: number[] = [];
  const first = numbers;
  let failed = 0;
  const startedAt = sharedNow();
  const end = startedAt + seconds * 1000;
  const one = async (calls: Calls): Promise<void> => {
    const index = numbers++ - first;
    const id = newTransactionId();
    commitAt[index] = 0;
    prepareMs[index] = 0;
    commitMs[index] = 0;
    try {
      const began = sharedNow();
      await calls.prepare(id, payloadOf(first + index));
      prepareMs[index] = sharedNow() - began;
      await local(order.cell);
      const commits = sharedNow();
      await calls.commit(id);
      commitAt[index] = commits;
      commitMs[index] = sharedNow() - commits;
    } catch (error) {
      if (failed++ === 0) console.error(error);
    }
  };
  await Promise.all(
    lanes.map(async calls => {
      while (sharedNow() < end) await one(calls);
    }),
  );
  return {
    event: 'phase',
    first,
    startedAt,
    endedAt: sharedNow(),
    failed,
    prepareMs: Float64Array.from(prepareMs),
    commitMs: Float64Array.from(commitMs),
    commitAt: Float64Array.from(commitAt),
  };
};

const order = JSON.parse(process.argv[2]!) as ProducerOrder;
const { warmUpSeconds, seconds } = order.cell;
const lanes = await lanesOf(order);
process.on('message', async (word: 'warm up' | 'measure') => {
  process.send!(await phase(order, lanes, word === 'measure' ? seconds : warmUpSeconds));
});
process.on('disconnect', () => process.exit(0));
process.send!({ event: 'ready' });

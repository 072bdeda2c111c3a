/** Local transactions that last longer than the broker waits before it asks, with a check handler that tells the truth. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckAnswer, CheckRequest } from '../../broker/protocol/wire.ts';
import { newTransactionId } from '../../producer-sdk/client/transaction-id.ts';
import { type CheckerReport, payloads, type SlowOrder } from './messages.ts';
import { sharedNow } from './moment.ts';
import { RawConnection } from './raw-connection.ts';

const PAYLOAD_BYTES = 512;

const { url, topic, group, slow } = JSON.parse(process.argv[2]!) as SlowOrder;
const committed = new Set<string>();
let firstAt = 0;
let calls = 0;

const server = createServer(async (request, response) => {
  calls++;
  firstAt ||= sharedNow();
  let text = '';
  for await (const chunk of request) text += chunk;
  const { checks } = JSON.parse(text) as CheckRequest;
  const resolutions = checks.map(({ transactionId }) => ({
    transactionId,
    resolution: committed.has(transactionId) ? ('commit' as const) : ('unknown' as const),
  }));
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ group, resolutions } satisfies CheckAnswer));
});

/** Durations are spread evenly, the same ones in every run. */
const localMs = (number: number): number =>
  slow.minMs + ((slow.maxMs - slow.minMs) * number) / Math.max(1, slow.transactions - 1);

const one = async (number: number): Promise<void> => {
  const connection = await RawConnection.open(url);
  const id = newTransactionId();
  const payload = payloads(PAYLOAD_BYTES)(number);
  const prepared = await connection.post(
    '/v1/transactions',
    JSON.stringify({ id, group, messages: [{ topic, payload }] }),
  );
  if (prepared.status !== 201) throw new Error(`prepare: ${prepared.status} ${prepared.body}`);
  await sleep(localMs(number));
  committed.add(id);
  const { status, body } = await connection.post(`/v1/transactions/${id}/commit`, null);
  if (status !== 200) throw new Error(`commit: ${status} ${body}`);
  connection.close();
};

process.on('disconnect', () => process.exit(0));
process.on('message', async (word: 'run' | 'report') => {
  if (word === 'run') {
    await Promise.all(Array.from({ length: slow.transactions }, (_, number) => one(number)));
    process.send!({ event: 'done' });
  } else process.send!({ event: 'checked', firstAt, calls } satisfies CheckerReport);
});
server.listen(0, '127.0.0.1', () => {
  process.send!({ event: 'ready', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});

/**
 * A producer as small as it can be, over plain HTTP: four calls and a check handler. Its local transactions end in every
 * way that real ones do. A real one keeps the fence in its own database, as a row that its local transaction writes.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CheckAnswer, CheckRequest, MessageInput, ProducerGroupInput, Resolution } from '../protocol/wire.ts';
import { type BrokerAddress, callBroker } from './broker-client.ts';

/** How a local transaction can end. After the last three of them nobody tells the broker: it asks. */
export const ENDINGS = [
  'commits',
  'rolls back',
  'dies after its commit',
  'dies before its commit',
  'knows nothing',
] as const;
export type Ending = (typeof ENDINGS)[number];

export const SAMPLE_GROUP = 'shop';
const TOPIC = 'orders';

/** Asks early, so that there is something to see. */
const CHECK: ProducerGroupInput['check'] = { afterMs: 2_000, intervalMs: 1_000, maxIntervalMs: 2_000, limit: 2 };
const MAX_BODY_BYTES = 1024 * 1024;

export class SampleService {
  readonly #broker: BrokerAddress;
  readonly #server: Server;
  /** Stands for the fence in the service's database: what became of which local transaction. */
  readonly #fence = new Map<string, Resolution>();
  #orders = 0;

  constructor(broker: BrokerAddress) {
    this.#broker = broker;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Opens the check handler and tells the broker where it is. */
  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const checkUrl = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/escrow/check`;
    await callBroker(this.#broker, 'PUT', `/v1/producer-groups/${SAMPLE_GROUP}`, { checkUrl, check: CHECK });
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  /** One order, from the half message to its end. Resolves with the id of the transaction. */
  async order(ending: Ending): Promise<string> {
    const order = ++this.#orders;
    const payload = JSON.stringify({ order, amount: 100 + (order % 900), ending });
    const message: MessageInput = {
      topic: TOPIC,
      key: `customer-${order % 10}`,
      payload,
      contentType: 'application/json',
    };
    const prepared = await callBroker(this.#broker, 'POST', '/v1/transactions', {
      group: SAMPLE_GROUP,
      messages: [message],
    });
    const { id } = prepared as { id: string };
    // The local transaction would be here, with the fence's row as its first statement.
    if (ending === 'commits' || ending === 'dies after its commit') this.#fence.set(id, 'commit');
    if (ending === 'rolls back') this.#fence.set(id, 'rollback');
    if (ending === 'knows nothing') this.#fence.set(id, 'unknown');
    if (ending === 'commits') await callBroker(this.#broker, 'POST', `/v1/transactions/${id}/commit`);
    if (ending === 'rolls back') await callBroker(this.#broker, 'POST', `/v1/transactions/${id}/rollback`);
    return id;
  }

  /** What is not in the fence was not committed, and now never will be: the verdict is written before it is told. */
  #verdict(transactionId: string): Resolution {
    const verdict = this.#fence.get(transactionId) ?? 'rollback';
    this.#fence.set(transactionId, verdict);
    return verdict;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { group, checks } = JSON.parse(await bodyOf(request)) as CheckRequest;
      const resolutions = checks.map(({ transactionId }) => ({
        transactionId,
        resolution: this.#verdict(transactionId),
      }));
      const answer: CheckAnswer = { group, resolutions };
      response.writeHead(group === SAMPLE_GROUP ? 200 : 409, { 'content-type': 'application/json' });
      response.end(group === SAMPLE_GROUP ? JSON.stringify(answer) : '');
    } catch {
      // Whatever this is, it is no check.
      response.writeHead(400).end();
    }
  }
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** A producer group's check address, written by hand: answers what the test tells it to, and remembers what it was asked. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { CheckAnswer, CheckRequest, Resolution } from '../../broker/protocol/wire.ts';

export interface AskedCall {
  at: number;
  headers: IncomingMessage['headers'];
  raw: Buffer;
  body: CheckRequest;
}

/** Answers each id; undefined leaves it out. */
export type Decide = (transactionId: string, attempt: number) => Resolution | undefined;
/** Answers the whole call by hand. */
export type Respond = (call: AskedCall, response: ServerResponse) => void | Promise<void>;

export class CheckHandler {
  readonly calls: AskedCall[] = [];
  /** Calls under way now, and the most there ever were. */
  inFlight = 0;
  mostInFlight = 0;
  #decide: Decide = () => 'unknown';
  #respond: Respond | null = null;
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/escrow/check`;
  }

  /** Ids in the order asked. */
  get asked(): string[] {
    return this.calls.flatMap(call => call.body.checks.map(check => check.transactionId));
  }

  answer(decide: Decide): void {
    this.#decide = decide;
    this.#respond = null;
  }

  respond(respond: Respond): void {
    this.#respond = respond;
  }

  async listen(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const raw = Buffer.concat(chunks);
    const call = { at: Date.now(), headers: request.headers, raw, body: JSON.parse(raw.toString()) as CheckRequest };
    this.calls.push(call);
    this.inFlight++;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    response.on('close', () => {
      this.inFlight--;
    });
    if (this.#respond) return this.#respond(call, response);
    const resolutions: CheckAnswer['resolutions'] = [];
    for (const { transactionId, attempt } of call.body.checks) {
      const resolution = this.#decide(transactionId, attempt);
      if (resolution) resolutions.push({ transactionId, resolution });
    }
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ group: call.body.group, resolutions } satisfies CheckAnswer));
  }
}

/** Listening, and closed with the test. */
export const startCheckHandler = async (t: Test, decide?: Decide): Promise<CheckHandler> => {
  const handler = new CheckHandler();
  if (decide) handler.answer(decide);
  await handler.listen();
  t.teardown(() => handler.close());
  return handler;
};

/** A broker for the client under test that fails on purpose: it keeps transactions in a map and does as it is told. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { BatchOperation, TransactionBody } from '../../broker/protocol/wire.ts';

export type Operation = Extract<BatchOperation, { op: 'prepare' | 'commit' | 'rollback' }> & { id: string };

export interface Result {
  status: number;
  body: object;
}

/** What happens to one batch; without any: it is carried out and answered. */
export interface Behaviour {
  /** Before anything else; the request waits for it. */
  hold?: Promise<unknown>;
  /** Whether the operations take effect; true where it is left out, unless `status` is given. */
  isApplied?: boolean;
  /** Answers with this instead of the results. */
  status?: number;
  headers?: Record<string, string>;
  body?: string | object;
  /** Ends the connection: before a byte of the answer, or in the middle of its body. */
  cut?: 'before' | 'inside';
  /** Replaces the result of an operation, which then has no effect. */
  element?: (operation: Operation) => Result | null;
}

export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  operations: Operation[];
  body: string;
  /** Milliseconds on a clock that never goes back. */
  at: number;
}

export const problem = (status: number, code: string, more: object = {}): Result => ({
  status,
  body: { type: `/errors#${code}`, title: code, status, detail: `${code}.`, code, retryable: false, ...more },
});

export class BatchDouble {
  readonly requests: SeenRequest[] = [];
  readonly transactions = new Map<string, TransactionBody & { content: string }>();
  /** Requests that nobody has answered yet, and the most there ever were. */
  underWay = 0;
  mostUnderWay = 0;
  /** Ids that were in two requests at the same time, and prepares whose content changed. */
  readonly wrong: string[] = [];
  /** For the n-th batch request, from 0. */
  behave: (n: number, request: SeenRequest) => Behaviour = () => ({});
  /** For everything that is no batch. */
  single: (request: SeenRequest) => Result = () => problem(404, 'NOT_FOUND');
  readonly #server: Server;
  readonly #idsUnderWay = new Set<string>();
  #batches = 0;

  constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  async listen(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** The ids of each batch, in order. */
  get batches(): string[][] {
    return this.requests.filter(({ path }) => path === '/v1/batch').map(seen => seen.operations.map(({ id }) => id));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const path = request.url!;
    const operations = path === '/v1/batch' ? (JSON.parse(body) as { operations: Operation[] }).operations : [];
    const seen = { method: request.method!, path, headers: request.headers, operations, body, at: performance.now() };
    this.requests.push(seen);
    if (path !== '/v1/batch') {
      const { status, body: answer } = this.single(seen);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      return;
    }
    for (const { id } of operations) {
      if (this.#idsUnderWay.has(id)) this.wrong.push(`${id} twice at once`);
      this.#idsUnderWay.add(id);
    }
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      this.underWay -= 1;
      for (const { id } of operations) this.#idsUnderWay.delete(id);
    };
    // A client that gave the request up may send the ids again.
    response.on('close', over);
    await this.#answer(this.behave(this.#batches++, seen), operations, response, over);
  }

  async #answer(behaviour: Behaviour, operations: Operation[], response: ServerResponse, over: () => void) {
    const { hold, status, headers = {}, cut, element, isApplied = status === undefined } = behaviour;
    await hold;
    const results = isApplied ? operations.map(operation => element?.(operation) ?? this.#carryOut(operation)) : [];
    over();
    if (cut === 'before') return void response.destroy();
    const body = behaviour.body ?? { results };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status ?? 200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...headers,
    });
    if (cut === 'inside') return void response.write(text.slice(0, text.length / 2), () => response.destroy());
    response.end(text);
  }

  #carryOut(operation: Operation): Result {
    const { id } = operation;
    const found = this.transactions.get(id);
    if (operation.op === 'prepare') {
      const content = JSON.stringify(operation.messages);
      if (found !== undefined && found.content !== content) this.wrong.push(`${id} with other content`);
      const made = found ?? this.#newTransaction(id, operation.group!, content);
      return { status: found === undefined ? 201 : 200, body: made };
    }
    if (found === undefined) return problem(404, 'TRANSACTION_NOT_FOUND');
    const wanted = operation.op === 'commit' ? 'committed' : 'rolled_back';
    if (found.state === 'prepared') found.state = wanted;
    if (found.state === wanted) return { status: 200, body: found };
    const code = wanted === 'committed' ? 'ALREADY_ROLLED_BACK' : 'ALREADY_COMMITTED';
    return problem(409, code, { state: found.state });
  }

  #newTransaction(id: string, group: string, content: string): TransactionBody & { content: string } {
    const preparedAt = '2026-11-21T10:00:00.000Z';
    const made = { id, group, state: 'prepared' as const, preparedAt, resolvedAt: null, resolvedBy: null, content };
    this.transactions.set(id, made);
    return made;
  }
}

/** Listening, and closed with the test. */
export const startBatchDouble = async (t: Test): Promise<BatchDouble> => {
  const double = new BatchDouble();
  await double.listen();
  t.teardown(() => double.close());
  return double;
};

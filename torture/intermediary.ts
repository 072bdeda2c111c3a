/** Between one bank A and the broker: passes requests on, and loses replies, or kills the bank, where a fate says so. */
import { once } from 'node:events';
import { Agent, request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Fate, fateOf, isFirst } from './fates.ts';
import type { History } from './history.ts';
import type { KeptProcess } from './kept-process.ts';

interface Options {
  /** Where the broker is now. */
  broker(): string;
  readonly history: History;
  readonly markers: string;
}

/** Fates of a reply, by what was asked. */
const AT: Readonly<Record<string, readonly Fate[]>> = {
  prepare: ['die-prepared'],
  commit: ['die-told', 'swallow'],
};
/** Every so manieth lost reply leaves its connection open: the bank must notice by itself. */
const SILENT_EVERY = 10;

interface Operation {
  readonly op: string;
  readonly id?: string;
}

const bytesOf = async (stream: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

export class Intermediary {
  /** Whom it kills. */
  bank: KeptProcess | null = null;
  readonly #options: Options;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server = createServer((request, response) => {
    this.#pass(request, response).catch(() => response.destroy());
  });
  #swallowed = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bytesOf(request);
    const { method, headers, url } = request;
    const asking = ask(new URL(url!, this.#options.broker()), { method, headers, agent: this.#agent });
    asking.end(body);
    const [answer] = (await once(asking, 'response')) as [IncomingMessage];
    const bytes = await bytesOf(answer);
    for (const { id, fate } of this.#fatesIn(body)) {
      this.#options.history.write({ event: fate === 'swallow' ? 'swallow' : 'die', id });
      if (fate !== 'swallow') {
        this.bank?.kill();
        return void response.destroy();
      }
      this.#swallowed += 1;
      if (this.#swallowed % SILENT_EVERY === 0) return;
      return void response.destroy();
    }
    response.writeHead(answer.statusCode!, { 'content-type': answer.headers['content-type'] ?? '' });
    response.end(bytes);
  }

  /** What of it befalls now. */
  #fatesIn(body: Buffer): { readonly id: string; readonly fate: Fate }[] {
    if (!/-(?:die-prepared|die-told|swallow)"/.test(body.toString('latin1'))) return [];
    const { operations = [] } = JSON.parse(body.toString()) as { operations?: readonly Operation[] };
    return operations.flatMap(({ op, id = '' }) => {
      const fate = AT[op]?.find(one => one === fateOf(id));
      return fate !== undefined && isFirst(this.#options.markers, id) ? [{ id, fate }] : [];
    });
  }
}

/** A wire to Kafka that fails: between the broker and each node, with a fate for each send and its answer. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { correlationOf, FrameSplitter, PRODUCE, type RequestHead, readdress, requestHead } from './kafka-frames.ts';

/**
 * Of one send. `lost`: the connection breaks and Kafka never sees it. `unanswered`: Kafka writes it, and the connection
 * breaks instead of the answer. `swallowed`: Kafka writes it, the answer never comes, and the connection breaks after
 * `swallowedMs`. `late`: its answer, and those behind it, come after `lateMs`.
 */
export const FATES = ['pass', 'lost', 'unanswered', 'swallowed', 'late'] as const;
export type Fate = (typeof FATES)[number];

export interface ProxyOptions {
  /** Default: everything passes. */
  readonly fate?: () => Fate;
  readonly swallowedMs?: number;
  readonly lateMs?: number;
}

type Sent = RequestHead & { readonly fate: Fate };

export class KafkaProxy {
  /** How often each fate was met, also `pass`. */
  readonly met: Record<Fate, number> = { pass: 0, lost: 0, unanswered: 0, swallowed: 0, late: 0 };
  /** May be changed at any time. */
  fate: () => Fate;
  readonly #options: Required<Omit<ProxyOptions, 'fate'>>;
  readonly #servers: Server[] = [];
  /** Port of a node → ours. */
  readonly #ports = new Map<number, number>();
  readonly #open = new Set<Socket>();
  #isAway = false;

  constructor({ fate = () => 'pass', swallowedMs = 2_000, lateMs = 200 }: ProxyOptions = {}) {
    this.fate = fate;
    this.#options = { swallowedMs, lateMs };
  }

  /** One port for each node. Resolves with the addresses that clients are given, in the order of the nodes. */
  async listen(nodes: readonly string[]): Promise<string[]> {
    const addresses: string[] = [];
    for (const node of nodes) {
      const { hostname: host, port } = new URL(`tcp://${node}`);
      const server = createServer(client => this.#join(client, connect({ host, port: Number(port) })));
      this.#servers.push(server.listen(0, '127.0.0.1'));
      await once(server, 'listening');
      const own = (server.address() as AddressInfo).port;
      this.#ports.set(Number(port), own);
      addresses.push(`127.0.0.1:${own}`);
    }
    return addresses;
  }

  /** While true, every connection breaks at once: Kafka is away. */
  set isAway(isAway: boolean) {
    this.#isAway = isAway;
    if (isAway) this.#breakAll();
  }

  close(): void {
    for (const server of this.#servers) server.close();
    this.#breakAll();
  }

  #breakAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #join(client: Socket, node: Socket): void {
    const cut = (): void => {
      client.destroy();
      node.destroy();
    };
    for (const socket of [client, node]) {
      this.#open.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#open.delete(socket);
        cut();
      });
    }
    if (this.#isAway) {
      cut();
      return;
    }
    const waiting = new Map<number, Sent>();
    const [requests, answers] = [new FrameSplitter(), new FrameSplitter()];
    client.on('data', chunk => {
      for (const frame of requests.push(chunk)) {
        const head = requestHead(frame);
        const fate = head.api === PRODUCE ? this.fate() : 'pass';
        if (head.api === PRODUCE) this.met[fate] += 1;
        if (fate === 'lost') return cut();
        waiting.set(head.correlation, { ...head, fate });
        node.write(frame);
      }
    });
    let turn: Promise<void> | null = null;
    node.on('data', chunk => {
      for (const frame of answers.push(chunk)) {
        const sent = waiting.get(correlationOf(frame))!;
        waiting.delete(sent.correlation);
        if (sent.fate === 'unanswered') return cut();
        if (sent.fate === 'swallowed') {
          setTimeout(cut, this.#options.swallowedMs).unref();
          continue;
        }
        readdress(frame, sent, this.#ports);
        if (sent.fate === 'late') turn = after(turn, this.#options.lateMs);
        if (turn === null) client.write(frame);
        else turn = turn.then(() => void client.write(frame));
      }
    });
  }
}

const after = async (before: Promise<void> | null, ms: number): Promise<void> => {
  await before;
  await new Promise(resolve => setTimeout(resolve, ms));
};

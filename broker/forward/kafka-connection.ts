/**
 * One client of Kafka with its sockets: connected once, used until something is wrong with it, then ended for good.
 * kafkajs alone cannot be ended: its `disconnect` waits for ever for answers that a frozen broker owes, and sends that
 * are still being repeated connect it again.
 */
import { isIP, type Socket, connect as tcpConnect } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { clock } from '../clock.ts';
import { within } from './deadline.ts';

const CONNECT_MS = 10_000;
/** How long an ended client may say goodbye. */
const DISCONNECT_MS = 5_000;
const KEEP_ALIVE_MS = 60_000;

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly ssl: ConnectionOptions | boolean | undefined;
  readonly onConnect: () => void;
}

/** What is used of a client of kafkajs, producer or admin. */
export interface Connectable {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
}

export class KafkaConnection<Client extends Connectable> {
  readonly #client: Client;
  readonly #connected: Promise<void>;
  readonly #sockets = new Set<Socket>();
  #users = 0;
  #usedAt = clock.monotonic();
  #retired = false;
  #goodbye: Promise<void> | null = null;
  #over = false;
  readonly #ended = Promise.withResolvers<void>();

  /** `make` gets the socket factory that the client must use. It begins to connect at once. */
  constructor(make: (openSocket: (endpoint: Endpoint) => Socket) => Client) {
    this.#client = make(endpoint => this.#openSocket(endpoint));
    this.#connected = within(CONNECT_MS, this.#client.connect(), 'it took too long to connect');
    // Whoever uses the connection is told; nobody may be using it yet.
    this.#connected.catch(() => {});
  }

  /** Resolves when it has been ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Milliseconds since the last use; 0 while in use. */
  get idleMs(): number {
    return this.#users > 0 ? 0 : clock.monotonic() - this.#usedAt;
  }

  /** Waits for the connection (10 s at most), then for `act` (`deadlineMs` at most). */
  async use<Result>(deadlineMs: number, act: (client: Client) => Promise<Result>): Promise<Result> {
    this.#users++;
    try {
      await this.#connected;
      return await within(deadlineMs, act(this.#client), 'there was no answer in time');
    } finally {
      this.#users--;
      this.#usedAt = clock.monotonic();
      if (this.#retired && this.#users === 0) void this.end();
    }
  }

  /** Ends it in the background as soon as nobody uses it any more. */
  retire(): void {
    this.#retired = true;
    if (this.#users === 0) void this.end();
  }

  /** Resolves when no socket is left, at the latest after `deadlineMs`. Never rejects; may be called again. */
  async end(deadlineMs = DISCONNECT_MS): Promise<void> {
    this.#goodbye ??= this.#client.disconnect();
    // It is thrown away in any case: what goes wrong now concerns nobody.
    await within(deadlineMs, this.#goodbye, 'it did not disconnect').catch(() => {});
    this.#over = true;
    // With an error: kafkajs then gives up what still waits for an answer.
    for (const socket of this.#sockets) socket.destroy(new Error('this connection has been ended'));
    this.#ended.resolve();
  }

  #openSocket({ host, port, ssl, onConnect }: Endpoint): Socket {
    if (this.#over) throw new Error('this connection has been ended');
    const address = { host, port };
    const name = isIP(host) ? {} : { servername: host };
    const socket = ssl
      ? tlsConnect({ ...address, ...name, ...(ssl === true ? {} : ssl) }, onConnect)
      : tcpConnect(address, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

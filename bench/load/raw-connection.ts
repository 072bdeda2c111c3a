/**
 * One kept-alive HTTP/1.1 connection with one request at a time and as little cost as can be had in Node: what the
 * load spends is missing from the broker on the same cores. It reads answers with Content-Length only.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

const END_OF_HEAD = Buffer.from('\r\n\r\n');

export class RawConnection {
  readonly #socket: Socket;
  readonly #host: string;
  #received: Buffer[] = [];
  #waiting: { settle: (answer: RawAnswer) => void; fail: (error: Error) => void } | null = null;

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.on('data', chunk => this.#receive(chunk));
    const lost = (error?: Error): void => {
      this.#waiting?.fail(error ?? new Error('the broker closed the connection'));
      this.#waiting = null;
    };
    socket.on('error', lost);
    socket.on('close', () => lost());
  }

  static async open(url: string): Promise<RawConnection> {
    const { hostname, port, host } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new RawConnection(socket, host);
  }

  post(path: string, json: string | null): Promise<RawAnswer> {
    const head = `POST ${path} HTTP/1.1\r\nHost: ${this.#host}\r\n`;
    this.#socket.write(
      json === null
        ? `${head}Content-Length: 0\r\n\r\n`
        : `${head}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`,
    );
    return new Promise((settle, fail) => {
      this.#waiting = { settle, fail };
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received.push(chunk);
    const all = this.#received.length === 1 ? chunk : Buffer.concat(this.#received);
    this.#received = [all];
    const headEnd = all.indexOf(END_OF_HEAD);
    if (headEnd < 0) return;
    const head = all.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    const bodyStart = headEnd + END_OF_HEAD.length;
    if (all.length < bodyStart + length) return;
    this.#received = [];
    const waiting = this.#waiting;
    this.#waiting = null;
    const body = all.toString('utf8', bodyStart, bodyStart + length);
    waiting?.settle({ status: Number(head.slice(9, 12)), head, body });
  }
}

/** A check address that may be called, and answers in every way that could harm the caller. One way per path. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { CheckRequest } from '../../broker/protocol/wire.ts';

/** The most that the broker reads. */
const LIMIT_BYTES = 64 * 1024;
const DRIP_EVERY_MS = 100;
const FLOOD_BYTES = 16 * 1024 * 1024;
const TERABYTE = 1024 ** 4;

const verdictOn = ({ group, checks }: CheckRequest): string =>
  JSON.stringify({
    group,
    resolutions: checks.map(({ transactionId }) => ({ transactionId, resolution: 'commit' })),
  });

/** Writes as fast as the other side takes it, until it hangs up or has taken far too much; then says nothing more. */
const flood = (socket: Socket, chunk: string | Buffer): void => {
  const pour = (): void => {
    while (!socket.destroyed && socket.bytesWritten < FLOOD_BYTES && socket.write(chunk));
  };
  socket.on('drain', pour);
  pour();
};

/** Writes a piece now and then, until the other side hangs up. */
const drip = (socket: Socket, piece: string): void => {
  const timer = setInterval(() => socket.write(piece), DRIP_EVERY_MS);
  socket.on('close', () => clearInterval(timer));
};

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const spaces = ' '.repeat(LIMIT_BYTES);

interface Manner {
  /** What the broker says of it; null: it is a good answer. */
  readonly error: string | null;
  answer(socket: Socket, verdict: string): void;
}

const TOO_LONG = 'answered more than 64 KiB';
const TOO_SLOW = 'no answer within 5 s';
const NOT_JSON = 'answered something that is not a JSON object';

const whole = (socket: Socket, body: string | Buffer, headers = ''): void => {
  socket.end(
    Buffer.concat([Buffer.from(`${HEAD}${headers}Content-Length: ${body.length}\r\n\r\n`), Buffer.from(body)]),
  );
};

/** By path. */
export const MANNERS: Readonly<Record<string, Manner>> = {
  'as-large-as-may-be': { error: null, answer: (socket, verdict) => whole(socket, verdict.padEnd(LIMIT_BYTES)) },
  'a-byte-too-large': { error: TOO_LONG, answer: (socket, verdict) => whole(socket, verdict.padEnd(LIMIT_BYTES + 1)) },
  'endless-body': {
    error: TOO_LONG,
    answer: socket => {
      socket.write(`${HEAD}\r\n`);
      flood(socket, spaces);
    },
  },
  'endless-chunks': {
    error: TOO_LONG,
    answer: socket => {
      socket.write(CHUNKED);
      flood(socket, `1000\r\n${' '.repeat(0x1000)}\r\n`);
    },
  },
  'a-terabyte-announced': {
    error: TOO_LONG,
    answer: socket => {
      socket.write(`${HEAD}Content-Length: ${TERABYTE}\r\n\r\n`);
      flood(socket, spaces);
    },
  },
  'endless-headers': {
    error: 'answered with too many headers',
    answer: socket => {
      socket.write(HEAD);
      flood(socket, `X: ${'x'.repeat(1_000)}\r\n`);
    },
  },
  'packed-bomb': {
    error: NOT_JSON,
    answer: socket => whole(socket, gzipSync(Buffer.alloc(32 * 1024 * 1024)), 'Content-Encoding: gzip\r\n'),
  },
  'redirect-without-end': {
    error: 'redirect refused (302)',
    answer: socket => {
      socket.write('HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n');
      flood(socket, spaces);
    },
  },
  'never-answers': { error: TOO_SLOW, answer: () => {} },
  'slow-headers': {
    error: TOO_SLOW,
    answer: socket => {
      socket.write(HEAD);
      drip(socket, 'X: y\r\n');
    },
  },
  'slow-body': {
    error: TOO_SLOW,
    answer: (socket, verdict) => {
      socket.write(`${HEAD}Content-Length: ${verdict.length}\r\n\r\n${verdict.slice(0, -1)}`);
    },
  },
  'dripping-chunks': {
    error: TOO_SLOW,
    answer: socket => {
      socket.write(CHUNKED);
      drip(socket, '1\r\n \r\n');
    },
  },
  'always-in-a-moment': {
    error: TOO_SLOW,
    answer: socket => drip(socket, 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'),
  },
};

export class HostileProducer {
  /** Calls by path, without its slash. */
  readonly calls = new Map<string, number>();
  /** Connections that the broker has not given up. */
  readonly open = new Set<Socket>();
  /** The most that was written onto one connection. */
  mostBytes = 0;
  /** Where `/redirect/STATUS` leads. */
  redirectTo = '';
  readonly #server = createServer((request, response) => void this.#handle(request, response));

  constructor() {
    this.#server.on('connection', (socket: Socket) => {
      this.open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.open.delete(socket);
        this.mostBytes = Math.max(this.mostBytes, socket.bytesWritten);
      });
    });
  }

  async listen(address: string): Promise<number> {
    this.#server.listen(0, address);
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** All of them. */
  get count(): number {
    return [...this.calls.values()].reduce((sum, calls) => sum + calls, 0);
  }

  close(): void {
    this.#server.closeAllConnections();
    for (const socket of this.open) socket.destroy();
    this.#server.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!.slice(1);
    this.calls.set(path, (this.calls.get(path) ?? 0) + 1);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const verdict = verdictOn(JSON.parse(Buffer.concat(chunks).toString()) as CheckRequest);
    const manner = MANNERS[path];
    const status = /^redirect\/(\d+)/.exec(path)?.[1];
    // Each call needs a connection of its own, and so a look-up.
    response.setHeader('connection', 'close');
    if (status !== undefined) response.writeHead(Number(status), { location: this.redirectTo }).end(verdict);
    else if (manner === undefined) response.end(verdict);
    else manner.answer(request.socket, verdict);
  }
}

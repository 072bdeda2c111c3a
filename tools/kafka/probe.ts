/** Questions to a port: is it free, does a Kafka answer there. */
import { createServer, connect as tcpConnect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';

/** Size 10, ApiVersions (18) version 0, correlation id 7, no client id: the one request every broker answers to anybody. */
const API_VERSIONS = Buffer.from('0000000a0012000000000007ffff', 'hex');
const CORRELATION_ID = 7;

export interface Probe {
  /** Speak TLS and trust this certificate (PEM). */
  readonly ca?: string | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * Whether a broker answers there. A connection alone says nothing: the port of a broker that is still starting, or is
 * stopped with SIGSTOP, accepts connections too.
 */
export const answers = (address: string, { ca, timeoutMs = 1000 }: Probe = {}): Promise<boolean> =>
  new Promise(resolve => {
    const { host, port } = splitAddress(address);
    const socket = ca === undefined ? tcpConnect({ host, port }) : tlsConnect({ host, port, ca });
    let received = Buffer.alloc(0);
    const finish = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(timeoutMs, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
    socket.once(ca === undefined ? 'connect' : 'secureConnect', () => socket.write(API_VERSIONS));
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 10) finish(received.readInt32BE(4) === CORRELATION_ID && received.readInt16BE(8) === 0);
    });
  });

/** Asks until the broker answers. Rejects when `failed` returns a sentence (looked at before each try) or time is up. */
export const untilItAnswers = async (
  address: string,
  { withinMs, failed, ...probe }: Probe & { withinMs: number; failed?: () => string | undefined },
): Promise<void> => {
  const end = performance.now() + withinMs;
  while (!(await answers(address, probe))) {
    const failure = failed?.();
    if (failure !== undefined) throw new Error(failure);
    if (performance.now() > end) throw new Error(`No Kafka answered at ${address} within ${withinMs / 1000} s.`);
    await delay(50);
  }
};

const splitAddress = (address: string): { host: string; port: number } => {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
};

/** Whether nothing listens on this port of 127.0.0.1. */
export const isFree = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });

/**
 * So many different ports that are free now, none of `except`. They lie below the range from which Linux (32768) and macOS (49152) take
 * the ports of outgoing connections: while a broker is down, a client's own connection, even its next try to reach that
 * very broker, could otherwise take the broker's port, and the broker could not come back.
 */
export const freePorts = async (count: number, except: readonly number[] = []): Promise<number[]> => {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count && tries < 1000; tries++) {
    const port = 15_000 + Math.floor(Math.random() * 17_000);
    if (!ports.has(port) && !except.includes(port) && (await isFree(port))) ports.add(port);
  }
  if (ports.size < count) throw new Error('No free port between 15000 and 32000 of 127.0.0.1.');
  return [...ports];
};

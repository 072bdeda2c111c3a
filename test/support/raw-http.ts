/** Bytes on a connection, where a client library would be too polite. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  /** Status of each response on the connection, in order. */
  statuses: number[];
  /** Everything that came back. */
  text: string;
}

const CLOSED_WITHIN_MS = 25_000;

/** Connected; the caller writes and destroys. */
export const openConnection = async (url: string): Promise<Socket> => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
};

/** Writes the bytes and resolves when the other side has closed. The request must make it do so. */
export const exchange = async (url: string, bytes: string | Buffer): Promise<RawAnswer> => {
  const socket = await openConnection(url);
  const chunks: Buffer[] = [];
  socket.on('data', chunk => chunks.push(chunk));
  const closed = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the connection was not closed')), CLOSED_WITHIN_MS);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  socket.write(bytes);
  await closed.finally(() => socket.destroy());
  const text = Buffer.concat(chunks).toString('latin1');
  return { text, statuses: [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status)) };
};

/** A whole request whose connection is closed after the answer. */
export const request = (method: string, path: string, headers: readonly string[], body: string | Buffer): Buffer => {
  const bytes = Buffer.from(body);
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: broker',
    'Connection: close',
    ...headers,
    ...(headers.some(header => /^(content-length|transfer-encoding)/i.test(header)) || bytes.length === 0
      ? []
      : [`Content-Length: ${bytes.length}`]),
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
};

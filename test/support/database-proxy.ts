/** A wire to a database that fails at the worst moment: when a COMMIT is on its way. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

/**
 * `pass`: everything goes through. `cut before`: the connection breaks and the server never sees the COMMIT. `cut after`:
 * it breaks when the server answers. `swallow`: the answer never arrives, the connection stays.
 */
export type CommitFate = 'pass' | 'cut before' | 'cut after' | 'swallow';

export interface DatabaseProxy {
  readonly host: string;
  readonly port: number;
  /** Of every COMMIT from now on. */
  fate: CommitFate;
  /** How many were seen on the wire. */
  commits: number;
  /** Breaks every connection there is. */
  cut(): void;
}

/** In PostgreSQL's protocol as in MySQL's, a statement without parameters stands behind five bytes. */
const isCommit = (chunk: Buffer): boolean => /^\s*commit\b/i.test(chunk.subarray(5).toString('latin1'));

export const databaseProxy = async (t: Test, to: { host: string; port: number }): Promise<DatabaseProxy> => {
  const open = new Set<Socket>();
  const cutAll = (): void => {
    for (const socket of open) socket.destroy();
  };
  const proxy = { host: '127.0.0.1', port: 0, fate: 'pass' as CommitFate, commits: 0, cut: cutAll };
  const server = createServer(client => {
    const database = connect(to);
    let fate: CommitFate = 'pass';
    const cut = (): void => {
      client.destroy();
      database.destroy();
    };
    for (const socket of [client, database]) {
      open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        cut();
      });
    }
    client.on('data', chunk => {
      if (isCommit(chunk)) {
        proxy.commits += 1;
        fate = proxy.fate;
        if (fate === 'cut before') return cut();
      }
      database.write(chunk);
    });
    database.on('data', chunk => {
      if (fate === 'cut after') return cut();
      if (fate === 'pass') client.write(chunk);
    });
  });
  server.listen(0, proxy.host);
  await once(server, 'listening');
  proxy.port = (server.address() as AddressInfo).port;
  t.teardown(() => {
    server.close();
    cutAll();
  });
  return proxy;
};

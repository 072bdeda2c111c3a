/** One address for a broker that gets another port at every start: connections are passed on to where it is now. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

/** `where` is asked for the broker's address at each connection. Closed with the test. */
export const steadyAddress = async (t: Test, where: () => string): Promise<string> => {
  const open = new Set<Socket>();
  const server = createServer(client => {
    const { hostname, port } = new URL(where());
    const broker = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** Sockets at which no check-back may ever arrive. They count who does, and hang up. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';

export class Traps {
  /** `address:port`, one for each connection that arrived. */
  readonly caught: string[] = [];
  readonly #servers: Server[] = [];

  /** Port 0: any. Resolves with the port; null where the machine has no such address. */
  async set(address: string, port: number): Promise<number | null> {
    const server = createServer(socket => {
      this.caught.push(`${socket.localAddress}:${socket.localPort}`);
      socket.on('error', () => {}).destroy();
    });
    server.listen(port, address);
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw error;
      return null;
    }
    this.#servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  close(): void {
    for (const server of this.#servers) server.close();
  }
}

/** The one address of a group's check handler, in front of whichever of its instances are up. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { KeptProcess } from './kept-process.ts';

export class CheckBalancer {
  readonly #banks: readonly KeptProcess[];
  readonly #open = new Set<Socket>();
  readonly #server = createServer(client => this.#join(client));
  #next = 0;

  constructor(banks: readonly KeptProcess[]) {
    this.#banks = banks;
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/escrow/check`;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
  }

  #join(client: Socket): void {
    const up = this.#banks.filter(({ url }) => url !== null);
    if (up.length === 0) return void client.destroy();
    this.#next += 1;
    const { hostname, port } = new URL(up[this.#next % up.length]!.url!);
    const bank = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, bank],
      [bank, client],
    ] as const) {
      this.#open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}

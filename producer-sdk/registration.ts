/** Makes the producer group known to the broker, once, however long that takes. */
import { setTimeout } from 'node:timers/promises';
import type { ProducerGroupInput } from '../broker/protocol/wire.ts';
import type { Client } from './client/client.ts';
import { CallAbortedError, ClientClosedError, RefusedError } from './client/client-errors.ts';
import { pauseMs } from './client/pause.ts';
import type { ClientLogger } from './client/settings.ts';

export class Registration {
  /** Resolves once the broker has it; rejects where it refuses. */
  readonly done: Promise<void>;
  readonly #stop = new AbortController();

  constructor(client: Client, group: string, settings: ProducerGroupInput, logger: ClientLogger | null) {
    this.done = this.#repeat(client, group, settings, logger);
    // Whoever needs it awaits it and is told; nobody may be there yet.
    this.done.catch(() => {});
  }

  stop(): void {
    this.#stop.abort();
  }

  async #repeat(
    client: Client,
    group: string,
    settings: ProducerGroupInput,
    logger: ClientLogger | null,
  ): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; ; ) {
      try {
        await client.putGroup(group, settings, { signal });
        return;
      } catch (error) {
        const isRefused = error instanceof RefusedError && !error.retryable;
        if (isRefused) logger?.error({ event: 'group_refused', err: error }, 'the broker refuses the producer group');
        if (isRefused || error instanceof CallAbortedError || error instanceof ClientClosedError) throw error;
        failures += 1;
        // Ends early, with an error that the next attempt meets too, when it is stopped.
        await setTimeout(pauseMs(failures, null), undefined, { signal }).catch(() => {});
      }
    }
  }
}

/** Makes the producer group known to the broker, once, however long that takes. */
import { setTimeout as rest } from 'node:timers/promises';
import type { ProducerGroupInput } from '../broker/protocol/wire.ts';
import type { Client } from './client/client.ts';
import { CallAbortedError, EscrowError, NoAnswerError, UnexpectedAnswerError } from './client/client-errors.ts';
import { pauseMs } from './client/pause.ts';
import type { ClientLogger } from './client/settings.ts';

export class Registration {
  /** Resolves once the broker has it; rejects where it refuses. */
  readonly done: Promise<void>;
  readonly #stop = new AbortController();
  /** What the last attempt met. */
  #lastError: unknown;

  constructor(client: Client, group: string, settings: ProducerGroupInput, logger: ClientLogger | null) {
    this.done = this.#repeat(client, group, settings, logger);
    // Whoever needs it awaits it and is told; nobody may be there yet.
    this.done.catch(() => {});
  }

  /** Resolves once `first` and the registration have; rejects as they do, at the deadline, or when the signal says so. */
  async within(first: Promise<void>, deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let onAbort = (): void => {};
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new NoAnswerError(0, deadlineMs, { cause: this.#lastError })), deadlineMs);
      onAbort = () => reject(new CallAbortedError({ cause: signal!.reason }));
    });
    late.catch(() => {});
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([first, late]);
      await Promise.race([this.done, late]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
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
        const { checkUrl } = await client.putGroup(group, settings, { signal });
        if (checkUrl === null) {
          const fields = { event: 'no_check_url', group };
          logger?.warn(fields, 'the group has no checkUrl: what is not committed at once waits for a person');
        }
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        const isHopeless =
          !(error instanceof EscrowError && error.retryable) && !(error instanceof UnexpectedAnswerError);
        if (isHopeless) logger?.error({ event: 'group_refused', err: error }, 'the broker refuses the producer group');
        if (isHopeless) throw error;
        this.#lastError = error;
        failures += 1;
        if (failures === 1)
          logger?.warn({ event: 'group_waits', err: error }, 'the producer group is not registered yet');
        // Ends early, with an error that the next attempt meets too, when it is stopped.
        await rest(pauseMs(failures, null), undefined, { signal }).catch(() => {});
      }
    }
  }
}

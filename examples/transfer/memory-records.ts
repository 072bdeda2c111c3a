/**
 * What stands in for Kafka where there is none: asks a broker with `--publisher memory` for its records, and gives each
 * to the handler with its inbox row. No groups, no order, no retries with patience: for a first look only.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Inbox, type RecordHeaders, readRecord } from '../../consumer-sdk/index.ts';

interface Options<Tx> {
  url: string;
  groupId: string;
  topic: string;
  inbox: Inbox<Tx>;
}

interface MemoryRecord {
  headers: RecordHeaders;
  payload: string;
}

type Handler<Tx> = (message: { json<T>(): T }, tx: Tx) => void | Promise<void>;

export class MemoryRecords<Tx> {
  readonly #options: Options<Tx>;
  #isClosed = false;

  constructor(options: Options<Tx>) {
    this.#options = options;
  }

  async run(handler: Handler<Tx>): Promise<void> {
    const { url, topic } = this.#options;
    for (let after = 0; !this.#isClosed; await delay(100)) {
      try {
        const response = await fetch(`${url}/v1/memory/records?topic=${topic}&after=${after}`);
        const { items, next } = (await response.json()) as { items: MemoryRecord[]; next: number };
        for (const record of items) await this.#handle(record, handler);
        after = items.length === 0 && next < after ? 0 : next;
      } catch {
        // The broker is being restarted. Its records are gone then, and positions begin anew.
        after = 0;
      }
    }
  }

  close(): void {
    this.#isClosed = true;
  }

  async #handle({ headers, payload }: MemoryRecord, handler: Handler<Tx>): Promise<void> {
    const { groupId, inbox } = this.#options;
    const { source, id } = readRecord(headers)!;
    const key = { consumer_group: groupId, source, message_id: id };
    if (await inbox.has(key)) return;
    await inbox.database.transaction<void>({
      opening: () => inbox.claim(key),
      business: tx => handler({ json: () => JSON.parse(payload) }, tx),
      closing: () => inbox.verify(key),
      timeoutMs: 10_000,
    });
  }
}

/**
 * The history of a transaction. Only what cannot be read from the transaction itself is stored; the rest (that it was
 * prepared, resolved by its producer, forwarded) is told from its fields.
 */
import type { HistoryEvent } from '../store/store.ts';
import { messageId, type Transaction } from '../transaction/transaction.ts';

const line = (at: number, event: string, by: string, detail: string | null): HistoryEvent => ({
  at,
  event,
  by,
  detail,
  times: 1,
});

/** Everything that is known to have happened, in the order of time. */
export const fullHistory = (transaction: Transaction, stored: readonly HistoryEvent[]): HistoryEvent[] => {
  const { id, state, resolvedAt, resolvedBy } = transaction;
  const lines = [line(transaction.preparedAt, 'prepared', 'producer', null)];
  if (resolvedAt !== null && !stored.some(({ event }) => event === state)) {
    lines.push(line(resolvedAt, state, resolvedBy ?? 'producer', null));
  }
  lines.push(...stored);
  for (const message of transaction.messages) {
    if (message.state !== 'forwarded' || message.endedAt === null) continue;
    const detail = `${messageId(id, message.index)} to ${message.topic}/${message.partition} at offset ${message.offset}`;
    lines.push(line(message.endedAt, 'forwarded', 'broker', detail));
  }
  // The sort is stable: what happened in the same millisecond stays in the order written here.
  return lines.sort((a, b) => a.at - b.at);
};

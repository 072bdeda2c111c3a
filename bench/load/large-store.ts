/** A store with a past, written by the coordinator itself in large commits: no HTTP and no Kafka take part. */
import { clock } from '../../broker/clock.ts';
import type { Command } from '../../broker/coordinator/commands.ts';
import { openSqliteStore } from '../../broker/store/sqlite-store.ts';
import { halfMessage, openCoordinator, prepareCommand, producerGroup } from '../../test/support/store.ts';

const GROUPS = 100;
const TOPICS = 100;
const CHUNK = 1_000;
const DAY_MS = 24 * 60 * 60 * 1000;
const PAYLOAD = Buffer.from(`{"amount":100,"note":"${'x'.repeat(80)}"}`);
/** Different ones: so many causes has each group or topic. */
export const ERRORS: readonly string[] = ['connect ECONNREFUSED 10.1.2.3:8080', 'status 503', 'no answer within 5 s'];

export const groupOf = (i: number): string => `group-${i % GROUPS}`;
export const topicOf = (i: number): string => `topic-${Math.floor(i / 7) % TOPICS}`;
export const idOf = (i: number): string => `transaction-${String(i).padStart(9, '0')}`;

const errorOf = (i: number): string => ERRORS[Math.floor(i / 100) % ERRORS.length]!;

const resolve = (i: number, resolution: 'commit' | 'rollback', by: 'producer' | 'operator' = 'producer'): Command => ({
  type: 'resolve',
  id: idOf(i),
  resolution,
  by,
  reason: by === 'operator' ? `case ${i}` : null,
});

/** Of a hundred: one unresolved, one parked, one rolled back by an operator, 17 undecided, 20 rolled back, 60 in Kafka. */
const fatesOf = (i: number): readonly (readonly Command[])[] => {
  const part = i % 100;
  const sent = { transactionId: idOf(i), index: 0 };
  if (part === 0) {
    const answer = { type: 'answer', id: idOf(i) } as const;
    return [[{ ...answer, answer: 'none', error: errorOf(i) }], [{ ...answer, answer: 'nobody', error: null }]];
  }
  if (part === 1) return [[resolve(i, 'commit')], [{ type: 'park', ...sent, error: errorOf(i) }]];
  if (part === 2) return [[resolve(i, 'rollback', 'operator')]];
  if (part < 20) return [];
  if (part < 40) return [[resolve(i, 'rollback')]];
  return [[resolve(i, 'commit')], [{ type: 'forwarded', ...sent, offset: i }]];
};

const prepare = (i: number): Command => {
  const messages = [
    halfMessage({ topic: topicOf(i), key: Buffer.from(`account-${i % 50_000}`), payload: PAYLOAD, partition: 0 }),
  ];
  return prepareCommand(idOf(i), groupOf(i), messages, { afterMs: DAY_MS });
};

/** Spread over the store, so that what is rare lies everywhere. */
export const fillStore = async (dataDir: string, transactions: number): Promise<void> => {
  const store = openSqliteStore({ dataDir });
  try {
    const coordinator = await openCoordinator(store, { clock });
    const groups = Array.from({ length: GROUPS }, (_, i) => producerGroup(groupOf(i)));
    await coordinator.submit(groups.map(group => ({ type: 'put_group', group })));
    for (let from = 0; from < transactions; from += CHUNK) {
      const chunk = Array.from({ length: Math.min(CHUNK, transactions - from) }, (_, i) => from + i);
      const fates = chunk.map(fatesOf);
      for (const commands of [
        chunk.map(prepare),
        fates.flatMap(([first = []]) => first),
        fates.flatMap(([, second = []]) => second),
      ]) {
        const refused = (await coordinator.submit(commands)).find(outcome => outcome.kind === 'refused');
        if (refused?.kind === 'refused') throw new Error(refused.refused.detail);
      }
    }
  } finally {
    await store.close();
  }
};

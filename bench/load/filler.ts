/** Fills the broker's store through the producer SDK: undecided transactions, or committed ones. */
import { createClient } from '../../producer-sdk/index.ts';
import { type FillOrder, type FillReport, payloads } from './messages.ts';
import { sharedNow } from './moment.ts';

const { url, topic, groups, transactions, payloadBytes, inFlight, ending } = JSON.parse(process.argv[2]!) as FillOrder;

/** Every transaction is told to wait for the rest of one common time. */
const checkOf = (): { check?: { afterMs: number } } => {
  if (ending === 'commit') return {};
  const afterMs = ending.dueAt - Date.now();
  if (afterMs < 100)
    throw new Error('The fill took longer than the checks could wait: the machine is too slow for it.');
  return { check: { afterMs } };
};

const client = createClient({ url });
const payloadOf = payloads(payloadBytes);
let next = 0;
const startedAt = sharedNow();
await Promise.all(
  Array.from({ length: inFlight }, async () => {
    while (next < transactions) {
      const number = next++;
      const { id } = await client.prepare({
        group: groups[number % groups.length]!,
        messages: [{ topic, payload: payloadOf(number) }],
        ...checkOf(),
      });
      if (ending === 'commit') await client.commit(id);
    }
  }),
);
const report: FillReport = { event: 'filled', seconds: (sharedNow() - startedAt) / 1000 };
process.on('disconnect', () => process.exit(0));
process.send!(report);

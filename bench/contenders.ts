/** The systems by the names that `--only` takes. */
import type { Bench, Contender } from './bench.ts';
import { dtm } from './systems/dtm.ts';
import { escrowmq } from './systems/escrowmq.ts';
import { rocketmq } from './systems/rocketmq.ts';

/** In the order in which they take turns. */
export const contenders = (
  { kafka }: Bench,
  keys: readonly ('escrowmq-single' | 'escrowmq-client' | 'rocketmq' | 'dtm-postgres' | 'dtm-boltdb')[],
): readonly Contender[] => {
  const systems = {
    'escrowmq-single': escrowmq({ kafka, calls: 'single' }),
    'escrowmq-client': escrowmq({ kafka, calls: 'client' }),
    rocketmq,
    'dtm-postgres': dtm('postgres'),
    'dtm-boltdb': dtm('boltdb'),
  };
  return keys.map(key => ({ key, system: systems[key] }));
};

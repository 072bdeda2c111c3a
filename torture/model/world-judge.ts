/** The judge of a simulated world that has come to rest: what was promised, against what is on the disk and in Kafka. */
import type { MemoryDisk } from './memory-disk.ts';
import type { Written } from './moving-kafka.ts';
import type { Told } from './simulated-people.ts';
import type { WorldPlan } from './world-plan.ts';

export interface WorldEvidence {
  readonly plan: WorldPlan;
  readonly disk: MemoryDisk;
  readonly told: ReadonlyMap<string, Told>;
  /** What the producers' own databases say. */
  readonly fence: ReadonlyMap<string, 'commit' | 'rollback'>;
  /** All that came into Kafka, in that order. */
  readonly written: readonly Written[];
}

const STATE_OF = { commit: 'committed', rollback: 'rolled_back' } as const;

/** The id of the message that the record carries. */
export const nameOf = ({ record }: Written): string => record.headers.find(([name]) => name === 'ce_id')![1].toString();

/** Sentences, none where every promise was kept. */
export const judgeWorld = ({ plan, disk, told, fence, written }: WorldEvidence): string[] => {
  const faults: string[] = [];
  const isForgetful = plan.retentionMs < 60_000;
  const firsts = new Map<string, Written & { readonly place: number }>();
  for (const [place, one] of written.entries()) {
    const id = nameOf(one);
    if (!firsts.has(id)) firsts.set(id, { ...one, place });
  }
  const purged = new Set<string>();
  for (const [id, { state, resolvedAt }] of told) {
    const one = disk.transactions.get(id);
    if (one === undefined) {
      purged.add(id);
      if (!isForgetful) faults.push(`${id} was acknowledged, and is lost`);
      continue;
    }
    if (state !== null && (one.state !== state || one.resolvedAt !== resolvedAt)) {
      faults.push(`${id} was told ${state} at ${resolvedAt}, and is ${one.state} at ${one.resolvedAt}`);
    }
    const verdict = fence.get(id);
    if (verdict !== undefined && one.state !== STATE_OF[verdict]) {
      faults.push(`${id} is ${one.state}, and its producer has decided ${verdict}`);
    }
    if (one.contradicted) faults.push(`${id} is marked as contradicted, and nobody disagreed`);
    for (const { index, state: messageState, topic, partition, offset } of one.messages) {
      if (messageState !== 'forwarded') continue;
      const name = `${id}.${index}`;
      const record = written.find(
        each => each.topic === topic && each.partition === partition && each.offset === offset,
      );
      const found = record && nameOf(record);
      if (found !== name) faults.push(`${name} is forwarded to ${topic}/${partition}@${offset}, where ${found} is`);
    }
  }
  for (const [id, verdict] of fence) {
    if (verdict !== 'commit') continue;
    const planned = plan.transactions.find(one => one.id === id)!;
    for (const [index, { isPoison }] of planned.messages.entries()) {
      if (!isPoison && !firsts.has(`${id}.${index}`)) faults.push(`${id}.${index} is committed, and not in Kafka`);
    }
  }
  for (const id of firsts.keys()) {
    if (fence.get(id.split('.')[0]!) !== 'commit') faults.push(`${id} is in Kafka, and nobody committed it`);
  }
  faults.push(...inversions(disk, firsts));
  return faults;
};

/** First appearances of one key of one topic, against the commit order. What was parked once has left the order. */
const inversions = (disk: MemoryDisk, firsts: ReadonlyMap<string, Written>): string[] => {
  const faults: string[] = [];
  const last = new Map<string, { name: string; order: number }>();
  for (const [name, { topic, partition, record }] of firsts) {
    const [id, index] = name.split('.') as [string, string];
    const message = disk.transactions.get(id)?.messages[Number(index)];
    if (message === undefined || message.attempts > 0) continue;
    const order = message.commitOrder!;
    const lane = record.key === null ? `${topic}/${partition}` : `${record.key} of ${topic}`;
    const before = last.get(lane);
    if (before !== undefined && order < before.order) {
      faults.push(`${name} (${order}) came into Kafka after ${before.name} (${before.order}) of the same ${lane}`);
    }
    if (before === undefined || order > before.order) last.set(lane, { name, order });
  }
  return faults;
};

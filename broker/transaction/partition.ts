/** Which partition a message goes to: as Kafka's own clients choose, so that a key stays where it always was. */

const MULTIPLIER = 0x5bd1e995;

/** murmur2 as in Apache Kafka's `Utils.murmur2`: 32 bit, seed 0x9747b28c. Unsigned. */
export const murmur2 = (data: Uint8Array): number => {
  const { length } = data;
  let hash = 0x9747b28c ^ length;
  const whole = length - (length % 4);
  for (let i = 0; i < whole; i += 4) {
    let k = data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    k = Math.imul(k, MULTIPLIER);
    k = Math.imul(k ^ (k >>> 24), MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ k;
  }
  const rest = length % 4;
  if (rest === 3) hash ^= data[whole + 2]! << 16;
  if (rest >= 2) hash ^= data[whole + 1]! << 8;
  if (rest >= 1) hash = Math.imul(hash ^ data[whole]!, MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return (hash ^ (hash >>> 15)) >>> 0;
};

/** Neighbours in the commit order that go to one partition where no key says otherwise: they can share one send. */
const STICKY = 64;

/**
 * murmur2 of the key over the partitions. Without a key, of the place in the commit order, so many places together:
 * that is one series for all topics, so its plain remainder could send all messages of a topic to one partition.
 */
export const partitionFor = (key: Buffer | null, partitions: number, commitOrder: number): number =>
  (murmur2(key ?? Buffer.from(String(Math.floor(commitOrder / STICKY)))) & 0x7fffffff) % partitions;

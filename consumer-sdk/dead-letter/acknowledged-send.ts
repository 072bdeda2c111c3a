/** Records sent one by one, each believed to be in Kafka only when Kafka's answer says so. */
import type { CompressionTypes, Kafka, Message, Producer, RecordMetadata } from 'kafkajs';
import { ConsumerError } from '../consumer-errors.ts';
import { settledWithin, within } from '../deadline.ts';

/** A record for one partition; more partitions than the topic has are counted round. */
export interface SentRecord extends Message {
  readonly partition: number;
}

/** What came compressed may be larger than its topic's limit by itself; the one that kafkajs has without a plug-in. */
const GZIP = 1 satisfies CompressionTypes.GZIP;
/** kafkajs's own time-outs and repeats come first. */
const WITHIN_MS = 60_000;
const CLOSE_WITHIN_MS = 5_000;

const late = (): Error => new ConsumerError('NOT_ACKNOWLEDGED', `Kafka gave no answer within ${WITHIN_MS} ms.`, true);

/** kafkajs resolves for records that were never written, with an answer that lacks them. */
const assertAcknowledged = (topic: string, answer: readonly RecordMetadata[]): void => {
  const [entry] = answer;
  const isThere =
    answer.length === 1 &&
    entry?.topicName === topic &&
    entry.errorCode === 0 &&
    entry.baseOffset !== undefined &&
    BigInt(entry.baseOffset) >= 0n;
  if (isThere) return;
  throw new ConsumerError('NOT_ACKNOWLEDGED', `Kafka did not acknowledge a record for ${topic}.`, true);
};

export class AcknowledgedSend {
  readonly #kafka: Kafka;
  #producer: Promise<Producer> | null = null;

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
  }

  /**
   * Resolves when all in-sync replicas have the record. After a rejection it may be there all the same; sending again
   * may make it two.
   */
  async send(topic: string, record: SentRecord): Promise<void> {
    this.#producer ??= this.#connect();
    const used = this.#producer;
    try {
      const producer = await within(used, WITHIN_MS, late);
      const sending = producer.send({ topic, acks: -1, compression: GZIP, messages: [record] });
      assertAcknowledged(topic, await within(sending, WITHIN_MS, late));
    } catch (error) {
      // A producer that met a missing topic or a frozen broker may fail for ever after.
      if (this.#producer === used) this.#producer = null;
      used.then(producer => producer.disconnect()).catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    const producer = this.#producer;
    this.#producer = null;
    if (producer !== null)
      await settledWithin(
        producer.then(connected => connected.disconnect()),
        CLOSE_WITHIN_MS,
      );
  }

  async #connect(): Promise<Producer> {
    const producer = this.#kafka.producer({
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ partitionMetadata, message }) =>
          message.partition! % partitionMetadata.length,
    });
    await producer.connect();
    return producer;
  }
}

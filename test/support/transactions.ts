/** What a producer, an operator and a consumer do with a broker process, in one word each. */
import { type Answer, type BrokerProcess, eventually } from './broker-process.ts';
import { readScrape } from './metrics.ts';
import { type KafkaTarget, readTopic, type TopicRecord } from './topics.ts';

/** The part of a message that tests vary; a payload alone is enough. */
export interface Draft {
  topic: string;
  payload: unknown;
  key?: unknown;
  headers?: Record<string, unknown>;
  [member: string]: unknown;
}

export const prepare = (
  broker: BrokerProcess,
  group: string,
  id: string,
  messages: Draft | Draft[],
  more: Record<string, unknown> = {},
): Promise<Answer> => broker.post('/v1/transactions', { id, group, messages: [messages].flat(), ...more });

export const commit = (broker: BrokerProcess, id: string, body?: unknown): Promise<Answer> =>
  broker.post(`/v1/transactions/${id}/commit`, body);

export const rollback = (broker: BrokerProcess, id: string, body?: unknown): Promise<Answer> =>
  broker.post(`/v1/transactions/${id}/rollback`, body);

/** Everything the broker knows of the transaction. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
export const show = async (broker: BrokerProcess, id: string): Promise<any> =>
  (await broker.get(`/v1/transactions/${id}?payload=true`)).body;

/** Resolves with the transaction once `condition` holds for it. */
export const shows = async (
  broker: BrokerProcess,
  id: string,
  what: string,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  condition: (transaction: any) => boolean,
  withinMs?: number,
  // biome-ignore lint/suspicious/noExplicitAny: as above
): Promise<any> =>
  eventually(
    `${id} to be ${what}`,
    async () => {
      const transaction = await show(broker, id);
      return condition(transaction) ? transaction : null;
    },
    withinMs,
  );

/** The transaction, once it is in this state. */
// biome-ignore lint/suspicious/noExplicitAny: as above
export const inState = (broker: BrokerProcess, id: string, state: string, withinMs?: number): Promise<any> =>
  shows(broker, id, state, transaction => transaction.state === state, withinMs);

/** All pages of a list. `query` like `state=prepared&group=bank`. */
// biome-ignore lint/suspicious/noExplicitAny: as above
export const list = async (broker: BrokerProcess, query = ''): Promise<any[]> => {
  const items = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Answer = await broker.get(`/v1/transactions?limit=500&${query}${cursor && `&cursor=${cursor}`}`);
    if (page.status !== 200) throw new Error(`the list ${query} was answered ${page.status}: ${page.body.detail}`);
    items.push(...page.body.items);
    cursor = page.body.nextCursor;
  }
  return items;
};

/** `/metrics` as name with labels → value. */
export const gauges = async (
  broker: BrokerProcess,
  headers: Record<string, string> = {},
): Promise<ReadonlyMap<string, number>> => {
  const { body } = await broker.call('GET', '/metrics', undefined, headers);
  return readScrape(body).values;
};

let seals = 0;
/**
 * What consumers have seen of a topic with one partition when a message committed just now arrives: whatever was
 * committed before stands in front of it, and whatever is missing was not forwarded. Without that last message itself.
 */
export const delivered = async (
  broker: BrokerProcess,
  kafka: KafkaTarget,
  topic: string,
  timeoutMs = 30_000,
): Promise<TopicRecord[]> => {
  const id = `seal-${process.pid}-${seals++}`;
  await broker.put('/v1/producer-groups/seals', {});
  const made = await prepare(broker, 'seals', id, { topic, payload: id });
  const ended = await commit(broker, id);
  if (made.status !== 201 || ended.status !== 200) throw new Error(`seal refused: ${made.status}, ${ended.status}`);
  const isSeal = (record: TopicRecord) => record.value?.toString() === id;
  const records = await readTopic(kafka, topic, { until: all => all.some(isSeal), timeoutMs });
  return records.filter(record => !record.value?.toString().startsWith('seal-'));
};

/** Payloads as text, in the order of arrival. */
export const payloads = (records: readonly TopicRecord[]): (string | undefined)[] =>
  records.map(record => record.value?.toString());

/** The topics that messages were prepared for, and what waits for each. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { TopicBody } from '../protocol/wire.ts';
import { TopicListSchema } from './answer-schemas.ts';
import type { ServerSettings } from './surroundings.ts';

export const topicRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, settings) => {
  const { coordinator, keys, store, clock, forwarding } = settings;

  app.get(
    '/v1/topics',
    {
      config: { right: 'reader' },
      schema: {
        tags: ['topics'],
        operationId: 'listTopics',
        summary: 'Topics, what waits for them and what stands in its way',
        description:
          '`waiting` counts committed messages that are not in Kafka yet, `lagMs` is the age of the oldest of them since ' +
          'its commit (0: none). `partitions` is null while Kafka has not said how many there are. With a producer key ' +
          'only topics that its group has sent to; the figures are those of the whole topic.',
        response: { 200: { ...TopicListSchema, description: 'All topics that messages were ever prepared for.' } },
      },
    },
    async ({ caller }) => {
      const [counters, oldest, now] = [coordinator.counters(), await store.oldestReady(), clock.now()];
      const items: TopicBody[] = [];
      for (const { name: topic, partitions } of coordinator.topics()) {
        if (caller.group !== null && !keys.hasSentTo(caller.group, topic)) continue;
        const waiting = counters.get(`ready:${topic}`) ?? 0;
        const since = oldest.get(topic);
        items.push({
          topic,
          partitions,
          waiting,
          parked: counters.get(`parked:${topic}`) ?? 0,
          lagMs: since === undefined ? 0 : Math.max(0, now - since),
          lastError: waiting > 0 ? forwarding.trouble(topic) : null,
        });
      }
      return { items };
    },
  );
};

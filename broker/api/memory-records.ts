/** What a consumer would see, where the memory publisher stands in for Kafka. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { encodeBytes } from '../protocol/wire.ts';
import { RecordsQuery } from './address-schemas.ts';
import { RecordsSchema } from './answer-schemas.ts';
import { headersBody, instant } from './bodies.ts';
import { sendProblem } from './problem.ts';
import type { MemoryRecord, ServerSettings } from './surroundings.ts';

const DEFAULT_PAGE = 50;

const recordBody = ({ position, topic, partition, offset, key, value, headers, timestamp }: MemoryRecord) => ({
  position,
  topic,
  partition,
  offset,
  key: key === null ? null : encodeBytes(key),
  payload: value === null ? null : encodeBytes(value),
  headers: headersBody(headers),
  timestamp: instant(timestamp),
});

export const memoryRecordRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, { memory }) => {
  app.get(
    '/v1/memory/records',
    {
      config: { right: 'viewer', problems: ['NOT_FOUND'] },
      serializerCompiler: () => JSON.stringify,
      schema: {
        tags: ['memory publisher'],
        operationId: 'listRecords',
        summary: 'Records as a consumer would see them (memory publisher only)',
        description: 'In the order of arrival. `next` is what to send as `after` to go on, also at the end.',
        querystring: RecordsQuery,
        response: { 200: { ...RecordsSchema, description: 'A page.' } },
      },
    },
    async (request, reply) => {
      if (memory === undefined) {
        const detail = 'This broker forwards to Kafka; only the memory publisher keeps records to look at.';
        return sendProblem(request, reply, { code: 'NOT_FOUND', detail });
      }
      const { topic } = request.query;
      const after = Number(request.query.after ?? 0);
      const found = memory.records({ topic, after, limit: Number(request.query.limit ?? DEFAULT_PAGE) });
      return { items: found.map(recordBody), next: found.at(-1)?.position ?? after };
    },
  );
};

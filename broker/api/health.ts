/** For whoever watches over the process: alive, ready, and in figures. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { LivenessSchema, ReadinessSchema } from './answer-schemas.ts';
import { hasRight } from './caller.ts';
import type { Readiness, ServerSettings } from './surroundings.ts';

/** With a 503: when it makes sense to ask again. */
const RETRY_AFTER_S = '2';

const withoutDetail = (checks: Readiness['checks']): Readiness['checks'] =>
  Object.fromEntries(Object.entries(checks).map(([name, { status }]) => [name, { status }]));

const plainJson = () => JSON.stringify;

export const healthRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, { readiness, metrics }) => {
  const tags = ['health'];

  app.get(
    '/livez',
    {
      config: { right: 'public' },
      schema: {
        tags,
        operationId: 'livez',
        summary: 'Whether the process can answer',
        security: [],
        response: { 200: { ...LivenessSchema, description: 'It can.' } },
      },
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      config: { right: 'public' },
      serializerCompiler: plainJson,
      schema: {
        tags,
        operationId: 'readyz',
        summary: 'Whether transactions can be accepted',
        description:
          '`degraded`: they can, but something else is wrong. `checks` only for callers with a key, `detail` not for ' +
          'producers: it names topics and groups of others.',
        security: [],
        response: {
          200: { ...ReadinessSchema, description: 'They can.' },
          503: { ...ReadinessSchema, description: 'They cannot: starting, stopping, or the store cannot write.' },
        },
      },
    },
    async (request, reply) => {
      const { status, checks } = readiness();
      if (status === 'unavailable') void reply.code(503).header('retry-after', RETRY_AFTER_S);
      if (!hasRight(request.caller, 'reader')) return { status };
      return { status, checks: hasRight(request.caller, 'viewer') ? checks : withoutDetail(checks) };
    },
  );

  app.get(
    '/metrics',
    {
      config: { right: 'viewer' },
      serializerCompiler: plainJson,
      schema: {
        tags,
        operationId: 'metrics',
        summary: 'Figures in the Prometheus text format',
        response: {
          200: { description: 'The figures.', content: { 'text/plain': { schema: { type: 'string' } } } },
        },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
};

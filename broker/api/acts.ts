/** What operators did, for whoever asks later. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ActsQuery } from './address-schemas.ts';
import { judgeLeisure } from './admission.ts';
import { actBody } from './bodies.ts';
import { actFilter } from './list-query.ts';
import { ActListSchema } from './operator-schemas.ts';
import { gatherPage } from './page.ts';
import { sendProblem } from './problem.ts';
import type { ServerSettings } from './surroundings.ts';

export const actRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, { coordinator, store, clock }) => {
  app.get(
    '/v1/acts',
    {
      config: { right: 'viewer' },
      serializerCompiler: () => JSON.stringify,
      schema: {
        tags: ['acts'],
        operationId: 'listActs',
        summary: 'What operators did, newest first',
        description:
          'Each act that changed something, stored in the very commit of its effect and kept for ever. Calls of producers ' +
          'are none, nor is the PUT of a producer group where the broker runs without keys. `since` (inclusive) and ' +
          '`until` (exclusive) are about `at`. Pages are those of `GET /v1/transactions`.',
        querystring: ActsQuery,
        response: { 200: { ...ActListSchema, description: 'A page.' } },
      },
    },
    async (request, reply) => {
      const overload = judgeLeisure(coordinator, 'list');
      if (overload !== null) return sendProblem(request, reply, overload);
      const filter = actFilter(request.query);
      const own = { list: 'acts', ...filter };
      const page = await gatherPage(request.query, own, clock, (limit, before) => store.acts(filter, limit, before));
      return { ...page, items: page.items.map(actBody) };
    },
  );
};

/** Parked messages, and an operator's two ways to deal with one: again, or never. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { ParkedMessage } from '../store/store.ts';
import { MessagePath, ParkedQuery } from './address-schemas.ts';
import { judgeLeisure, judgeLoad } from './admission.ts';
import { MessageSchema } from './answer-schemas.ts';
import { messageBody, parkedBody } from './bodies.ts';
import { parkedFilter } from './list-query.ts';
import { ParkedListSchema } from './operator-schemas.ts';
import { gatherPage } from './page.ts';
import { sendProblem } from './problem.ts';
import { ReasonInputSchema } from './request-schemas.ts';
import type { ServerSettings } from './surroundings.ts';

const SUMMARIES = {
  retry: 'Sends a parked message again (operator)',
  discard: 'Gives up a parked message for ever (operator)',
} as const;

/** Keys in one page of parked messages; a page with more ends early. */
const MAX_PAGE_KEY_BYTES = 4_000_000;

const areLarge = (messages: readonly ParkedMessage[]): boolean =>
  messages.reduce((bytes, { key }) => bytes + (key?.length ?? 0), 0) > MAX_PAGE_KEY_BYTES;

export const messageRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, { coordinator, store, clock }) => {
  app.get(
    '/v1/messages',
    {
      config: { right: 'viewer' },
      serializerCompiler: () => JSON.stringify,
      schema: {
        tags: ['messages'],
        operationId: 'listMessages',
        summary: 'Lists parked messages, newest first',
        description:
          'In the order in which their transactions arrived. `state=parked` must be there: no other messages are listed. ' +
          '`lastError` is the whole error. Pages are those of `GET /v1/transactions`.',
        querystring: ParkedQuery,
        response: { 200: { ...ParkedListSchema, description: 'A page.' } },
      },
    },
    async (request, reply) => {
      const overload = judgeLeisure(coordinator, 'list');
      if (overload !== null) return sendProblem(request, reply, overload);
      const filter = parkedFilter(request.query);
      const page = await gatherPage(
        request.query,
        { list: 'messages', ...filter },
        clock,
        (limit, before) => store.parkedMessages(filter, limit, before),
        areLarge,
      );
      return { ...page, items: page.items.map(parkedBody) };
    },
  );

  for (const type of ['retry', 'discard'] as const) {
    app.post(
      `/v1/messages/:messageId/${type}`,
      {
        config: { right: 'operator', writes: true, problems: ['MESSAGE_NOT_FOUND', 'NOT_PARKED'] },
        schema: {
          tags: ['messages'],
          operationId: type,
          summary: SUMMARIES[type],
          params: MessagePath,
          body: ReasonInputSchema,
          response: { 200: { ...MessageSchema, description: 'The message as it now is.' } },
        },
      },
      async (request, reply) => {
        const overload = judgeLoad(coordinator, null);
        if (overload !== null) return sendProblem(request, reply, overload);
        const { messageId } = request.params;
        const [outcome] = await coordinator.submit([
          { type, messageId, who: request.caller.who, reason: request.body.reason },
        ]);
        if (outcome!.kind === 'refused') return sendProblem(request, reply, outcome!.refused);
        return messageBody(outcome!.transaction!.id, outcome!.message!);
      },
    );
  }
};

/** An operator's two ways to deal with a parked message: again, or never. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { MessagePath } from './address-schemas.ts';
import { judgeLoad } from './admission.ts';
import { MessageSchema } from './answer-schemas.ts';
import { messageBody } from './bodies.ts';
import { sendProblem } from './problem.ts';
import { ReasonInputSchema } from './request-schemas.ts';
import type { ServerSettings } from './surroundings.ts';

const SUMMARIES = {
  retry: 'Sends a parked message again (operator)',
  discard: 'Gives up a parked message for ever (operator)',
} as const;

export const messageRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, { coordinator }) => {
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

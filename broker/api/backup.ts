/** A copy of the store, for whoever may have everything that is in it. */
import { Socket } from 'node:net';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CopyGivenUpError, type StoreCopy } from '../store/store-copies.ts';
import { judgeLoad } from './admission.ts';
import { type Fault, sendProblem } from './problem.ts';
import { ReasonInputSchema } from './request-schemas.ts';
import type { ServerSettings } from './surroundings.ts';

const MEDIA_TYPE = 'application/vnd.sqlite3';

const REFUSALS = {
  busy: { code: 'BACKUP_RUNNING', detail: 'Another copy of the store is being made or sent; there is one at a time.' },
  full: {
    code: 'STORAGE_FULL',
    detail: 'On the broker’s disk there is less room than the database and the reserve take. Nothing was copied.',
  },
} as const satisfies Record<'busy' | 'full', Fault>;

/** `escrowmq-20261121T100000Z.db` */
const nameAt = (now: number): string => `escrowmq-${new Date(now).toISOString().replace(/[-:]|\.\d+/g, '')}.db`;

/** Nothing moves on the connection while the copy is made; that must not look like a client that went away. */
const waitPatiently = async <T>({ raw }: FastifyRequest, patience: number, work: () => Promise<T>): Promise<T> => {
  // A request that is injected has none.
  const socket = raw.socket instanceof Socket ? raw.socket : null;
  socket?.setTimeout(0);
  try {
    return await work();
  } finally {
    socket?.setTimeout(patience);
  }
};

export const backupRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, { coordinator, backups, clock }) => {
  app.post(
    '/v1/backup',
    {
      config: { right: 'operator', writes: true, problems: ['BACKUP_RUNNING'] },
      serializerCompiler: () => JSON.stringify,
      schema: {
        tags: ['backup'],
        operationId: 'backup',
        summary: 'A consistent copy of the store (operator)',
        description:
          'An SQLite database with everything that was acknowledged before the call, while the broker goes on. As ' +
          '`escrowmq.db` in an empty data folder a broker can be started on it. It holds payloads, the secrets of check ' +
          'addresses and the hashes of keys. One at a time.',
        body: ReasonInputSchema,
        response: {
          200: {
            description: 'The copy. Shorter than `content-length`: it did not arrive whole.',
            content: { [MEDIA_TYPE]: { schema: { type: 'string', format: 'binary' } } },
          },
        },
      },
    },
    async (request, reply) => {
      const overload = judgeLoad(coordinator, null);
      if (overload !== null) return sendProblem(request, reply, overload);
      const copy = backups.begin();
      if (typeof copy === 'string') return sendProblem(request, reply, REFUSALS[copy]);
      // Also where the whole copy was sent: then there is nothing left to give up.
      reply.raw.once('close', () => copy.giveUp());
      const made = await waitPatiently(request, app.server.timeout, () => make(copy, request));
      if (made === null) return reply.hijack();
      void reply
        .type(MEDIA_TYPE)
        .header('content-length', made.bytes)
        .header('content-disposition', `attachment; filename="${nameAt(clock.now())}"`);
      // The types know bodies of JSON only.
      return (reply as FastifyReply).send(made.content);
    },
  );

  /** Null: the client has gone. The act comes first, so that it is in the copy. */
  const make = async (copy: StoreCopy, { caller, body }: FastifyRequest) => {
    try {
      const { reason } = body as { reason: string };
      await coordinator.submit([{ type: 'backup', who: caller.who, reason }]);
      return await copy.make();
    } catch (error) {
      copy.giveUp();
      if (error instanceof CopyGivenUpError) return null;
      throw error;
    }
  };
};

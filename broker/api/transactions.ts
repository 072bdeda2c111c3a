/** The calls of a transaction's life: prepare, commit, rollback, and an operator's "ask now". */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Command, Outcome } from '../coordinator/commands.ts';
import { traceContext } from '../protocol/trace-context.ts';
import { spanStart } from '../tracing.ts';
import { TransactionPath } from './address-schemas.ts';
import { judgeLeisure, judgeLoad } from './admission.ts';
import { TransactionListItemSchema, TransactionSchema } from './answer-schemas.ts';
import { listItem, transactionBody } from './bodies.ts';
import { judgeGroup, judgeResolver } from './caller.ts';
import { recordOperation } from './operation-spans.ts';
import { draftPrepare, GROUP_MISSING, judgeTopics, topicsOf } from './prepare-command.ts';
import { sendProblem } from './problem.ts';
import { PrepareInputSchema, ReasonInputSchema, ResolveInputSchema } from './request-schemas.ts';
import { DEFAULT_LIMITS, type ServerSettings } from './surroundings.ts';

export const transactionRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, settings) => {
  const { coordinator, topics, limits = DEFAULT_LIMITS } = settings;
  const tags = ['transactions'];

  app.post(
    '/v1/transactions',
    {
      config: {
        right: 'producer',
        writes: true,
        problems: [
          'TOPIC_NOT_ALLOWED',
          'PRODUCER_GROUP_NOT_FOUND',
          'EXISTS_WITH_DIFFERENT_CONTENT',
          'ID_TAKEN',
          'TOPIC_NOT_FOUND',
          'PARTITION_NOT_FOUND',
        ],
      },
      schema: {
        tags,
        operationId: 'prepare',
        summary: 'Stores a transaction with its half messages',
        description:
          'The same id and content again is answered with 200 and the state as it now is. Only `prepared` in that ' +
          'answer lets a local transaction begin.',
        body: PrepareInputSchema,
        response: {
          200: { ...TransactionSchema, description: 'It was there already, with the same content.' },
          201: {
            ...TransactionSchema,
            description: 'It is stored.',
            headers: { Location: { type: 'string', description: 'The path of the transaction.' } },
          },
        },
      },
    },
    async (request, reply) => {
      const startedAt = spanStart();
      const { group = request.caller.group } = request.body;
      if (group === null) return sendProblem(request, reply, GROUP_MISSING);
      const refusal = judgeGroup(request.caller, group) ?? judgeLoad(coordinator, group);
      if (refusal !== null) return sendProblem(request, reply, refusal);
      const trace = traceContext(request.headers.traceparent, request.headers.tracestate);
      const draft = draftPrepare({ ...request.body, group }, trace, limits);
      if ('code' in draft) return sendProblem(request, reply, draft);
      judgeTopics(draft, await topics.inspect(topicsOf(draft)));
      const outcome = await submit(draft, draft.group);
      recordOperation(draft, outcome, { trace, startedAt });
      if (outcome.kind === 'refused') return sendProblem(request, reply, outcome.refused);
      if (outcome.changed) void reply.code(201).header('location', `/v1/transactions/${draft.id}`);
      return transactionBody(outcome.transaction!);
    },
  );

  for (const resolution of ['commit', 'rollback'] as const) {
    app.post(
      `/v1/transactions/:id/${resolution}`,
      {
        config: {
          right: 'producer',
          writes: true,
          bodyIsOptional: true,
          problems: ['TRANSACTION_NOT_FOUND', resolution === 'commit' ? 'ALREADY_ROLLED_BACK' : 'ALREADY_COMMITTED'],
        },
        schema: {
          tags,
          operationId: resolution,
          summary:
            resolution === 'commit' ? 'Commits: the messages go to Kafka' : 'Rolls back: nobody sees the messages',
          description:
            'Without a body it is the producer’s resolution; with a reason, or an operator key, it is the operator’s.',
          params: TransactionPath,
          body: ResolveInputSchema,
          response: { 200: { ...TransactionSchema, description: 'It is resolved like that, now or already.' } },
        },
      },
      async (request, reply) => {
        const { reason } = request.body;
        const resolver = judgeResolver(request.caller, reason);
        if ('code' in resolver) return sendProblem(request, reply, resolver);
        const { id } = request.params;
        return resolved(request, reply, { type: 'resolve', id, resolution, ...resolver, reason: reason ?? null });
      },
    );
  }

  app.post(
    '/v1/transactions/:id/check',
    {
      config: {
        right: 'operator',
        writes: true,
        problems: ['TRANSACTION_NOT_FOUND', 'ALREADY_COMMITTED', 'ALREADY_ROLLED_BACK', 'NO_CHECK_URL'],
      },
      schema: {
        tags,
        operationId: 'check',
        summary: 'Asks the producer group now (operator)',
        description: 'Starts the count of `unknown` anew and clears `unresolved`.',
        params: TransactionPath,
        body: ReasonInputSchema,
        response: { 202: { ...TransactionListItemSchema, description: 'It will be asked at once.' } },
      },
    },
    async (request, reply) => {
      const overload = judgeLeisure(coordinator, 'check');
      if (overload !== null) return sendProblem(request, reply, overload);
      const outcome = await submit({
        type: 'ask',
        id: request.params.id,
        who: request.caller.who,
        reason: request.body.reason,
      });
      if (outcome.kind === 'refused') return sendProblem(request, reply, outcome.refused);
      return reply.code(202).send(listItem(outcome.transaction!));
    },
  );

  const submit = async (command: Command, group: string | null = null): Promise<Outcome> =>
    (await coordinator.submit([command], group))[0]!;

  const resolved = async (request: FastifyRequest, reply: FastifyReply, command: Command) => {
    const startedAt = spanStart();
    const overload = judgeLoad(coordinator, null);
    if (overload !== null) return sendProblem(request, reply, overload);
    const outcome = await submit(command);
    const trace = traceContext(request.headers.traceparent, request.headers.tracestate);
    recordOperation(command, outcome, { trace, startedAt });
    if (outcome.kind === 'refused') return sendProblem(request, reply, outcome.refused);
    return transactionBody(outcome.transaction!);
  };
};

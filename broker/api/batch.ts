/**
 * Many operations in one request, in the order given and in one submission. A fault of one is that one's result; only
 * an envelope that cannot be read refuses the whole.
 */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest, FastifySchemaValidationError } from 'fastify';
import type { Command, Outcome, Refused } from '../coordinator/commands.ts';
import { type TraceContext, traceContext } from '../protocol/trace-context.ts';
import type { BatchAnswer, BatchOperation } from '../protocol/wire.ts';
import { spanStart } from '../tracing.ts';
import { judgeLoad } from './admission.ts';
import { BatchAnswerSchema } from './answer-schemas.ts';
import { listItem, messageBody, transactionBody } from './bodies.ts';
import { type Caller, judgeGroup, judgeResolver, judgeRight } from './caller.ts';
import { recordOperation } from './operation-spans.ts';
import { type Draft, draftPrepare, GROUP_MISSING, judgeTopics, topicsOf } from './prepare-command.ts';
import { type Fault, problemOf, sendProblem } from './problem.ts';
import { BatchInputSchema, OPERATION_SCHEMAS } from './request-schemas.ts';
import { DEFAULT_LIMITS, type Limits, type ServerSettings } from './surroundings.ts';
import { validationFault } from './validation.ts';

const SCHEMA_OF: Record<BatchOperation['op'], object> = {
  prepare: OPERATION_SCHEMAS.prepare,
  commit: OPERATION_SCHEMAS.resolve,
  rollback: OPERATION_SCHEMAS.resolve,
  check: OPERATION_SCHEMAS.check,
  retry: OPERATION_SCHEMAS.parked,
  discard: OPERATION_SCHEMAS.parked,
};

const isOperationName = (op: unknown): op is BatchOperation['op'] =>
  typeof op === 'string' && Object.hasOwn(SCHEMA_OF, op);

/** Compiles the schema at the first call and keeps it: the request belongs to the one route that asks. */
const validate = (request: FastifyRequest, operation: unknown): BatchOperation | Fault => {
  const op = (operation as { op?: unknown } | null)?.op;
  if (!isOperationName(op)) {
    const detail = `must be one of ${Object.keys(SCHEMA_OF).join(', ')}`;
    return { code: 'VALIDATION_FAILED', detail: `/op ${detail}.`, errors: [{ pointer: '/op', detail }] };
  }
  const check = request.getValidationFunction(SCHEMA_OF[op]) ?? request.compileValidationSchema(SCHEMA_OF[op]);
  if (check(operation)) return operation as BatchOperation;
  const { errors } = check as { errors?: FastifySchemaValidationError[] | null };
  return validationFault(errors ?? [], 'body');
};

/** The group of the first prepare; null where there is none. Not validated yet. */
const groupThatBegins = (operations: readonly unknown[], caller: Caller): string | null => {
  for (const operation of operations as ({ op?: unknown; group?: unknown } | null)[]) {
    if (operation?.op === 'prepare') return caller.group ?? String(operation.group);
  }
  return null;
};

interface Sender {
  readonly caller: Caller;
  readonly trace: TraceContext;
  readonly limits: Limits;
}

const toCommand = (operation: BatchOperation, { caller, trace, limits }: Sender): Command | Draft | Fault => {
  const { who } = caller;
  switch (operation.op) {
    case 'prepare': {
      const { op: _op, traceparent, tracestate, group = caller.group, ...input } = operation;
      if (group === null) return GROUP_MISSING;
      const foreign = judgeGroup(caller, group);
      if (foreign !== null) return foreign;
      return draftPrepare(
        { ...input, group },
        traceparent === undefined ? trace : traceContext(traceparent, tracestate),
        limits,
      );
    }
    case 'commit':
    case 'rollback': {
      const { op: resolution, id, reason } = operation;
      const resolver = judgeResolver(caller, reason);
      return 'code' in resolver ? resolver : { type: 'resolve', id, resolution, ...resolver, reason: reason ?? null };
    }
    case 'check':
      return judgeRight(caller, 'operator') ?? { type: 'ask', id: operation.id, who, reason: operation.reason };
    case 'retry':
    case 'discard': {
      const { op: type, messageId, reason } = operation;
      return judgeRight(caller, 'operator') ?? { type, messageId, who, reason };
    }
  }
};

type Result = BatchAnswer['results'][number];

const refusal = (fault: Fault | Refused): Result => {
  const body = problemOf(fault);
  return { status: body.status, body };
};

const resultOf = (command: Command, outcome: Outcome): Result => {
  if (outcome.kind === 'refused') return refusal(outcome.refused);
  const transaction = outcome.transaction!;
  switch (command.type) {
    case 'prepare':
      return { status: outcome.changed ? 201 : 200, body: transactionBody(transaction) };
    case 'ask':
      return { status: 202, body: listItem(transaction) };
    case 'retry':
    case 'discard':
      return { status: 200, body: messageBody(transaction.id, outcome.message!) };
    default:
      return { status: 200, body: transactionBody(transaction) };
  }
};

export const batchRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, settings) => {
  const { coordinator, topics, metrics, limits = DEFAULT_LIMITS } = settings;

  app.post(
    '/v1/batch',
    {
      config: { right: 'producer', writes: true },
      serializerCompiler: () => JSON.stringify,
      schema: {
        tags: ['transactions'],
        operationId: 'batch',
        summary: 'Many operations in one request',
        description:
          'Operations take effect in the order given, and all are durable before the answer. What is wrong with one ' +
          'is its own result: a problem with pointers relative to the operation. After no answer repeat all of it.',
        body: BatchInputSchema,
        response: { 200: { ...BatchAnswerSchema, description: 'One result for each operation, in the same order.' } },
      },
    },
    async (request, reply) => {
      const startedAt = spanStart();
      const overload = judgeLoad(coordinator, groupThatBegins(request.body.operations, request.caller));
      if (overload !== null) return sendProblem(request, reply, overload);
      const trace = traceContext(request.headers.traceparent, request.headers.tracestate);
      const sender = { caller: request.caller, trace, limits };
      const steps = request.body.operations.map(operation => {
        const valid = validate(request, operation);
        return 'code' in valid ? valid : toCommand(valid, sender);
      });
      await inspectTopics(steps.filter((step): step is Draft => 'type' in step && step.type === 'prepare'));
      const outcomes = await submit(steps.filter((step): step is Command => !('code' in step)));
      const results = steps.map(step => {
        if ('code' in step) return refusal(step);
        const outcome = outcomes(step);
        recordOperation(step as Command, outcome, { trace, startedAt });
        return resultOf(step as Command, outcome);
      });
      for (const { body } of results) if ('code' in body) metrics.onRefusal(body.code);
      return { results };
    },
  );

  /** Resolutions go ahead of prepares, unless both are about one transaction: then the order given is theirs. */
  const submit = async (commands: readonly Command[]): Promise<(command: unknown) => Outcome> => {
    const prepares = commands.filter(command => command.type === 'prepare');
    const others = commands.filter(command => command.type !== 'prepare');
    const begun = new Set(prepares.map(({ id }) => id));
    const isMixed = others.some(command => 'id' in command && begun.has(command.id));
    const group = prepares[0]?.group ?? null;
    const parts = isMixed ? [commands] : [prepares, others];
    const outcomes = await Promise.all(parts.map(part => coordinator.submit(part, part === others ? null : group)));
    const byCommand = new Map<unknown, Outcome>();
    for (const [i, part] of parts.entries())
      for (const [j, command] of part.entries()) byCommand.set(command, outcomes[i]![j]!);
    return command => byCommand.get(command)!;
  };

  /** One question for the topics of all prepares. */
  const inspectTopics = async (drafts: readonly Draft[]): Promise<void> => {
    if (drafts.length === 0) return;
    const seen = await topics.inspect([...new Set(drafts.flatMap(topicsOf))]);
    for (const draft of drafts) judgeTopics(draft, seen);
  };
};

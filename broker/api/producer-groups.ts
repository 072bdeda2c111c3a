/** Producer groups: settings, health, and the test of the check address. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { ProducerGroupBody } from '../protocol/wire.ts';
import type { ProducerGroup } from '../store/store.ts';
import { GroupPath } from './address-schemas.ts';
import { judgeLoad } from './admission.ts';
import { CheckTestSchema, ProducerGroupListSchema, ProducerGroupSchema } from './answer-schemas.ts';
import { producerGroupBody } from './bodies.ts';
import { hasRight, isForeign, judgeGroup } from './caller.ts';
import { mergeGroup, widens } from './group-merge.ts';
import { type Fault, sendProblem } from './problem.ts';
import { ProducerGroupInputSchema } from './request-schemas.ts';
import type { ServerSettings } from './surroundings.ts';

const notFound = (group: string): Fault => ({
  code: 'PRODUCER_GROUP_NOT_FOUND',
  detail: `There is no producer group ${group}.`,
});

const WIDER: Fault = {
  code: 'FORBIDDEN',
  detail: 'Only an operator may create a producer group or let it send to more topics than before.',
  pointer: '/topics',
};

const byName = (a: ProducerGroup, b: ProducerGroup): number => (a.name < b.name ? -1 : 1);

/** Runs tasks one after another: a PUT reads, merges and writes, and two of them must not do so at once. */
const oneAtATime = (): (<T>(task: () => Promise<T>) => Promise<T>) => {
  let last: Promise<unknown> = Promise.resolve();
  return task => {
    const result = last.then(task);
    last = result.catch(() => undefined);
    return result;
  };
};

export const producerGroupRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, settings) => {
  const { coordinator, addresses, checkBack } = settings;
  const tags = ['producer groups'];
  const inTurn = oneAtATime();
  const bodyOf = (group: ProducerGroup): ProducerGroupBody =>
    producerGroupBody(group, coordinator.counters(), checkBack.lastCallMs(group.name));

  app.put(
    '/v1/producer-groups/:group',
    {
      config: {
        right: 'producer',
        writes: true,
        problems: ['PRODUCER_GROUP_NOT_FOUND', 'CHECK_ADDRESS_NOT_ALLOWED'],
      },
      schema: {
        tags,
        operationId: 'putProducerGroup',
        summary: 'Creates or updates a producer group',
        description:
          'A member left out keeps its value, `null` removes it. The result as a whole must make sense. A producer key ' +
          'may update its own group, but not let it send to more topics than before.',
        params: GroupPath,
        body: ProducerGroupInputSchema,
        response: {
          200: { ...ProducerGroupSchema, description: 'It is updated.' },
          201: { ...ProducerGroupSchema, description: 'It is created.' },
        },
      },
    },
    (request, reply) =>
      inTurn(async () => {
        const name = request.params.group;
        const refusal = judgeGroup(request.caller, name) ?? judgeLoad(coordinator, null);
        if (refusal !== null) return sendProblem(request, reply, refusal);
        const before = coordinator.group(name);
        const group = mergeGroup(name, before, request.body, addresses);
        if ('code' in group) return sendProblem(request, reply, group);
        if (!hasRight(request.caller, 'operator') && (before === undefined || widens(before, group)))
          return sendProblem(request, reply, WIDER);
        // Without keys nobody knows whose call it is, and producers make it at each start.
        const who = request.caller.role === 'operator' ? request.caller.who : null;
        const [outcome] = await coordinator.submit([{ type: 'put_group', group, who }]);
        if (outcome!.kind === 'refused') return sendProblem(request, reply, outcome!.refused);
        return reply.code(outcome!.changed ? 201 : 200).send(bodyOf(coordinator.group(name)!));
      }),
  );

  app.get(
    '/v1/producer-groups/:group',
    {
      config: { right: 'reader', problems: ['PRODUCER_GROUP_NOT_FOUND'] },
      schema: {
        tags,
        operationId: 'getProducerGroup',
        summary: 'Settings and health of a producer group',
        params: GroupPath,
        response: { 200: { ...ProducerGroupSchema, description: 'The group. Never its secret.' } },
      },
    },
    async (request, reply) => {
      const refusal = judgeGroup(request.caller, request.params.group);
      if (refusal !== null) return sendProblem(request, reply, refusal);
      const group = coordinator.group(request.params.group);
      if (group === undefined) return sendProblem(request, reply, notFound(request.params.group));
      return bodyOf(group);
    },
  );

  app.get(
    '/v1/producer-groups',
    {
      config: { right: 'reader' },
      schema: {
        tags,
        operationId: 'listProducerGroups',
        summary: 'All producer groups, by name',
        response: { 200: { ...ProducerGroupListSchema, description: 'All of them.' } },
      },
    },
    async ({ caller }) => {
      const groups = [...coordinator.groups()].filter(({ name }) => !isForeign(caller, name)).sort(byName);
      return { items: groups.map(bodyOf) };
    },
  );

  app.post(
    '/v1/producer-groups/:group/test',
    {
      config: { right: 'producer', problems: ['PRODUCER_GROUP_NOT_FOUND', 'NO_CHECK_URL'] },
      schema: {
        tags,
        operationId: 'testProducerGroup',
        summary: 'Asks the check address the test question now',
        params: GroupPath,
        response: { 200: { ...CheckTestSchema, description: 'What happened.' } },
      },
    },
    async (request, reply) => {
      const name = request.params.group;
      const refusal = judgeGroup(request.caller, name);
      if (refusal !== null) return sendProblem(request, reply, refusal);
      const group = coordinator.group(name);
      if (group === undefined) return sendProblem(request, reply, notFound(name));
      if (group.checkUrl === null) {
        const detail = `Producer group ${name} has no check address: there is nothing to test.`;
        return sendProblem(request, reply, { code: 'NO_CHECK_URL', detail });
      }
      return checkBack.test(group);
    },
  );
};

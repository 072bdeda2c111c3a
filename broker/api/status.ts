/** The broker at a glance. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { StatusBody } from '../protocol/wire.ts';
import { instant, instantOrNull } from './bodies.ts';
import { StatusSchema } from './operator-schemas.ts';
import type { ServerSettings } from './surroundings.ts';

export const statusRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, settings) => {
  const { coordinator, store, clock, readiness, metrics } = settings;

  app.get(
    '/v1/status',
    {
      config: { right: 'viewer' },
      serializerCompiler: () => JSON.stringify,
      schema: {
        tags: ['health'],
        operationId: 'getStatus',
        summary: 'The broker at a glance',
        description:
          'Counts are those of the store, exact at any size. `sinceStart` counts from `startedAt`: the difference of two ' +
          'answers is a rate. `status` and `checks` are those of `/readyz`.',
        response: { 200: { ...StatusSchema, description: 'As it now is, also where `status` is `unavailable`.' } },
      },
    },
    async (): Promise<StatusBody> => {
      const [oldest, disk] = await Promise.all([store.oldest(), store.space()]);
      const counters = coordinator.counters();
      const count = (name: string): number => counters.get(name) ?? 0;
      const { startedAt, ...about } = settings.about;
      return {
        ...about,
        startedAt: instant(startedAt),
        now: instant(clock.now()),
        ...readiness(),
        transactions: {
          prepared: count('transactions.prepared'),
          committed: count('transactions.committed'),
          rolled_back: count('transactions.rolled_back'),
          unresolved: count('unresolved'),
          contradicted: count('contradicted'),
        },
        messages: {
          held: count('messages.held'),
          ready: count('messages.ready'),
          forwarded: count('messages.forwarded'),
          parked: count('messages.parked'),
          discarded: count('messages.discarded'),
          dropped: count('messages.dropped'),
        },
        sinceStart: metrics.sinceStart(),
        oldest: {
          prepared: instantOrNull(oldest.prepared),
          ready: instantOrNull(oldest.ready),
          parked: instantOrNull(oldest.parked),
        },
        waitingCommands: coordinator.waiting.commands,
        disk,
      };
    },
  );
};

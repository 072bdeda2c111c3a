/** What waits for a person, counted by what it failed with. */
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { AttentionBody } from '../protocol/wire.ts';
import type { AlikeCount, Store } from '../store/store.ts';
import { judgeLeisure } from './admission.ts';
import { instant } from './bodies.ts';
import { AttentionSchema } from './operator-schemas.ts';
import { sendProblem } from './problem.ts';
import type { ServerSettings } from './surroundings.ts';

/** For both counts together; what is not counted by then is left out. */
const BUDGET_MS = 150;
const MAX_LINES = 100;

interface Counted {
  /** The most first. */
  readonly lines: AlikeCount[];
  readonly isComplete: boolean;
}

const merged = (a: AlikeCount, b: AlikeCount): AlikeCount => ({
  ...a,
  count: a.count + b.count,
  oldestAt: Math.min(a.oldestAt, b.oldestAt),
});

/** Step by step, the newest first, until the time is over. */
const count = async (
  step: (before: number | null) => ReturnType<Store['alike']>,
  isLate: () => boolean,
): Promise<Counted> => {
  const found = new Map<string, AlikeCount>();
  let next: number | null = null;
  do {
    const { items, next: further } = await step(next);
    for (const one of items) {
      const name = JSON.stringify([one.name, one.lastError]);
      const before = found.get(name);
      found.set(name, before === undefined ? one : merged(before, one));
    }
    next = further;
    await yieldToOthers();
  } while (next !== null && !isLate());
  const lines = [...found.values()].sort((a, b) => b.count - a.count);
  return { lines: lines.slice(0, MAX_LINES), isComplete: next === null && lines.length <= MAX_LINES };
};

const lineOf = ({ lastError, count, oldestAt }: AlikeCount) => ({ lastError, count, oldestAt: instant(oldestAt) });

export const attentionRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (
  app,
  { coordinator, store, clock },
) => {
  app.get(
    '/v1/attention',
    {
      config: { right: 'viewer' },
      serializerCompiler: () => JSON.stringify,
      schema: {
        tags: ['health'],
        operationId: 'getAttention',
        summary: 'What waits for a person, by what it last failed with',
        description:
          'Unresolved transactions by group and error of the last check, parked messages by topic and error, the most ' +
          'first, at most 100 lines each. Where there are very many only the newest are counted, and `isComplete` is false.',
        response: { 200: { ...AttentionSchema, description: 'As it now is.' } },
      },
    },
    async (request, reply) => {
      const overload = judgeLeisure(coordinator, 'list');
      if (overload !== null) return sendProblem(request, reply, overload);
      const started = clock.monotonic();
      const after = (ms: number) => (): boolean => clock.monotonic() - started >= ms;
      const unresolved = await count(before => store.alike('unresolved', before), after(BUDGET_MS / 2));
      const parked = await count(before => store.alike('parked', before), after(BUDGET_MS));
      return {
        unresolved: unresolved.lines.map(line => ({ group: line.name, ...lineOf(line) })),
        parked: parked.lines.map(line => ({ topic: line.name, ...lineOf(line) })),
        isComplete: unresolved.isComplete && parked.isComplete,
      } satisfies AttentionBody;
    },
  );
};

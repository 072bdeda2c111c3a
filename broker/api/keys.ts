/** API keys: made, listed, revoked. A key is shown once; what is stored of it is a hash. */
import { randomBytes } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Command, Outcome } from '../coordinator/commands.ts';
import type { KeyBody, KeyInput } from '../protocol/wire.ts';
import type { ApiKey } from '../store/store.ts';
import { KeyPath } from './address-schemas.ts';
import { judgeLoad } from './admission.ts';
import { KeyListSchema, NewKeySchema } from './answer-schemas.ts';
import { instant, instantOrNull } from './bodies.ts';
import { digestOf } from './caller.ts';
import { millisecondsOf } from './list-query.ts';
import { type Fault, invalid, sendProblem } from './problem.ts';
import { KeyInputSchema, ResolveInputSchema } from './request-schemas.ts';
import type { ServerSettings } from './surroundings.ts';

const PREFIX_BYTES = 6;
const SECRET_BYTES = 32;
const LONGEST_LIFE_MS = 3650 * 86_400_000;

/** `emq_` and twelve digits to find it by, then 256 random bits. */
const newKey = (): { prefix: string; key: string } => {
  const prefix = `emq_${randomBytes(PREFIX_BYTES).toString('hex')}`;
  return { prefix, key: `${prefix}_${randomBytes(SECRET_BYTES).toString('base64url')}` };
};

const keyBody = (key: ApiKey): KeyBody => ({
  prefix: key.prefix,
  role: key.role,
  group: key.group,
  createdAt: instant(key.createdAt),
  createdBy: key.createdBy,
  reason: key.reason,
  expiresAt: instantOrNull(key.expiresAt),
  revokedAt: instantOrNull(key.revokedAt),
  revokedBy: key.revokedBy,
  revokedReason: key.revokedReason,
});

/** What the schema cannot see. The result: when the key expires, null: never. */
const judgeInput = ({ role, group, expiresAt }: KeyInput, now: number): { at: number | null } | Fault => {
  if (role === 'producer' && group === undefined) {
    return invalid('/group', 'must be there: a producer key is bound to one producer group');
  }
  if (role !== 'producer' && group !== undefined) {
    return invalid('/group', 'must be left out: only a producer key is bound to a group');
  }
  if (expiresAt === undefined || expiresAt === null) return { at: null };
  const at = millisecondsOf(expiresAt);
  if (Number.isNaN(at)) return invalid('/expiresAt', 'must be an RFC 3339 time like 2026-11-21T10:00:00Z');
  if (at > now && at <= now + LONGEST_LIFE_MS) return { at };
  return invalid('/expiresAt', `must lie ahead, within ten years; by the broker’s clock it is ${instant(now)}`);
};

export const keyRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, settings) => {
  const { coordinator, keys, clock } = settings;
  const tags = ['keys'];
  const submit = async (command: Command): Promise<Outcome> => (await coordinator.submit([command]))[0]!;

  app.post(
    '/v1/keys',
    {
      config: { right: 'operator', writes: true, problems: ['TOO_MANY_KEYS', 'OPERATOR_KEY_NEEDED'] },
      schema: {
        tags,
        operationId: 'createKey',
        summary: 'Makes an API key (operator)',
        description:
          'The answer is the only place where `key` is ever seen. A producer key is bound to its group, which is ' +
          'created where it is missing; a group has at most two active keys. Not idempotent: after no answer look ' +
          'into the list, and revoke what nobody has.',
        body: KeyInputSchema,
        response: { 201: { ...NewKeySchema, description: 'It is good from now on.' } },
      },
    },
    async (request, reply) => {
      const overload = judgeLoad(coordinator, null);
      if (overload !== null) return sendProblem(request, reply, overload);
      const { role, group = null, reason = null } = request.body;
      const expiry = judgeInput(request.body, clock.now());
      if ('code' in expiry) return sendProblem(request, reply, expiry);
      const { prefix, key } = newKey();
      const outcome = await submit({
        type: 'create_key',
        isFromAnybody: request.caller.role === 'anybody',
        key: { prefix, role, group, hash: digestOf(key), createdBy: request.caller.who, reason, expiresAt: expiry.at },
      });
      if (outcome.kind === 'refused') return sendProblem(request, reply, outcome.refused);
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ ...keyBody(keys.key(prefix)!), key });
    },
  );

  app.get(
    '/v1/keys',
    {
      config: { right: 'operator' },
      schema: {
        tags,
        operationId: 'listKeys',
        summary: 'All API keys, also those that are over, in the order in which they were made (operator)',
        response: { 200: { ...KeyListSchema, description: 'All of them, without their secrets.' } },
      },
    },
    async () => ({ items: [...keys.keys().values()].map(keyBody) }),
  );

  app.delete(
    '/v1/keys/:prefix',
    {
      config: { right: 'operator', writes: true, bodyIsOptional: true, problems: ['KEY_NOT_FOUND'] },
      schema: {
        tags,
        operationId: 'revokeKey',
        summary: 'Revokes an API key (operator)',
        description: 'At once, also for connections that are open. To revoke it again changes nothing.',
        params: KeyPath,
        body: ResolveInputSchema,
        response: { 204: { type: 'null', description: 'It is good no longer.' } },
      },
    },
    async (request, reply) => {
      const overload = judgeLoad(coordinator, null);
      if (overload !== null) return sendProblem(request, reply, overload);
      const { prefix } = request.params;
      const { reason = null } = request.body;
      const outcome = await submit({ type: 'revoke_key', prefix, who: request.caller.who, reason });
      if (outcome.kind === 'refused') return sendProblem(request, reply, outcome.refused);
      return reply.code(204).send(null);
    },
  );
};

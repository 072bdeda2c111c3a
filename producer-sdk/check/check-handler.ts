/**
 * Answers the broker's check-backs: reads the call, proves who sent it, asks the fence, says what stands. One function
 * for every kind of server; `check-doors.ts` knows their shapes.
 */
import { isLoopbackHost } from '../../broker/protocol/loopback.ts';
import { verifySignature } from '../../broker/protocol/signature.ts';
import { SPAN_KIND, type SpanAttributes, type Spans } from '../../broker/protocol/spans.ts';
import { traceContext } from '../../broker/protocol/trace-context.ts';
import type { Resolution } from '../../broker/protocol/wire.ts';
import { isId } from '../client/operation-text.ts';
import type { ClientLogger } from '../client/settings.ts';
import { clock } from '../clock.ts';
import type { CheckCall, CheckReply } from './check-call.ts';
import { type CheckHandler, doors } from './check-doors.ts';

/** One deadline for the whole call: the broker gives up after 5 s. */
const ANSWER_MS = 3_000;
/** As many as the broker asks at once. */
const MAX_CHECKS = 100;

export interface CheckOptions {
  readonly group: string;
  /** Null: calls need no signature, so only this machine is answered. */
  readonly secret: string | null;
  readonly logger: ClientLogger | null;
  readonly spans: Spans | null;
  judge(ids: readonly string[], withinMs: number): Promise<Map<string, Resolution>>;
}

const refusal = (status: number, error: string): CheckReply => ({ status, body: { error } });

interface Asked {
  readonly group: string;
  readonly ids: readonly string[];
}

/** Null: not what a broker sends. Elements that cannot be answered are left out of the answer, not of the call. */
const askedIn = (body: unknown): Asked | null => {
  const { group, checks } = (body ?? {}) as { group?: unknown; checks?: unknown };
  if (typeof group !== 'string' || !Array.isArray(checks) || checks.length > MAX_CHECKS) return null;
  const ids = checks.map(check => (check as { transactionId?: unknown } | null)?.transactionId).filter(isId);
  return { group, ids: [...new Set(ids)] };
};

const parsed = (body: CheckCall['body']): unknown => {
  if (!(body instanceof Uint8Array)) return body.parsed;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return null;
  }
};

/** A call about one transaction says in which trace it is; any other belongs where its server's own span is. */
const inCheckSpan = (
  { headers }: CheckCall,
  { group, ids }: Asked,
  { spans, judge }: CheckOptions,
): Promise<Map<string, Resolution>> => {
  if (spans === null) return judge(ids, ANSWER_MS);
  const [first] = ids;
  const span = spans.start('check', {
    kind: SPAN_KIND.server,
    trace: traceContext(headers.traceparent, headers.tracestate),
    attributes: {
      'messaging.system': 'escrowmq',
      'messaging.operation.name': 'check',
      'escrowmq.group': group,
      'escrowmq.check.asked': ids.length,
      ...(first !== undefined && ids.length === 1 ? { 'escrowmq.transaction.id': first } : {}),
    },
  });
  return span.during(
    () => judge(ids, ANSWER_MS),
    (answers): SpanAttributes => (ids.length === 1 ? { 'escrowmq.check.answer': answers.get(first!) ?? 'none' } : {}),
  );
};

const answerTo = async (call: CheckCall, options: CheckOptions): Promise<CheckReply> => {
  const { group, secret, logger } = options;
  if (call.method !== 'POST') return refusal(405, 'Check-backs are POST requests.');
  if (secret === null) {
    if (call.localAddress !== null && !isLoopbackHost(call.localAddress.replace(/^::ffff:/, ''))) {
      return refusal(401, 'This handler has no checkSecret, so it answers on loopback only.');
    }
    // What a page of some other site can have a browser send without asking is of another type.
    if (!/^application\/json\b/i.test(String(call.headers['content-type'] ?? ''))) {
      return refusal(415, 'Check-backs are application/json.');
    }
  } else {
    if (!(call.body instanceof Uint8Array)) {
      logger?.error(
        { event: 'check_body_read' },
        'a body parser ran before the check handler; mount it behind the handler',
      );
      return refusal(500, 'The signature cannot be checked: a body parser has consumed the bytes before this handler.');
    }
    if (!verifySignature(secret, call.headers, call.body, clock.now())) {
      logger?.warn({ event: 'check_refused' }, 'a check-back whose signature is not valid was refused');
      return refusal(401, 'The signature is not valid.');
    }
  }
  const asked = askedIn(parsed(call.body));
  if (asked === null) return refusal(400, 'This is not a check-back.');
  if (asked.group !== group) return refusal(409, `This handler answers for ${group}.`);
  try {
    const answers = await inCheckSpan(call, asked, options);
    const resolutions = [...answers].map(([transactionId, resolution]) => ({ transactionId, resolution }));
    return { status: 200, body: { group, resolutions } };
  } catch (error) {
    logger?.warn(
      { event: 'check_failed', err: error },
      'a check-back could not be answered; the broker will ask again',
    );
    return refusal(503, 'The fence cannot be read now.');
  }
};

export const checkHandler = (options: CheckOptions): CheckHandler => doors(call => answerTo(call, options));

/** The calls of one request: chosen, written, and who is affected by its end. */
import type { Call } from './call.ts';
import type { Exchange, Question } from './exchange.ts';
import type { Lane } from './lane.ts';

const PREFIX = '{"operations":[';
const SUFFIX = ']}';

/** Commits and rollbacks, and prepares. */
export interface Lanes {
  readonly resolution: Lane;
  readonly prepare: Lane;
}

export interface BatchLimits {
  readonly operations: number;
  readonly bytes: number;
}

export interface Batch {
  readonly calls: readonly Call[];
  readonly lanes: readonly Lane[];
  readonly sentAt: number;
  exchange: Exchange | null;
}

/** Moves calls from the lane into the request that is being packed. */
const take = (lane: Lane, calls: Call[], limits: BatchLimits, filled: number): number => {
  let bytes = filled;
  for (const call of lane.waiting) {
    const isFull = calls.length >= limits.operations || bytes + call.bytes > limits.bytes;
    if (calls.length > 0 && (isFull || call.isAlone || calls[0]!.isAlone)) break;
    lane.waiting.delete(call);
    calls.push(call);
    bytes += call.bytes + 1;
  }
  return bytes;
};

/**
 * Takes what goes into the next request; empty: nothing may go now. Resolutions first: what is begun must be able to
 * end. A lane that is not well shares no request, so that a broker that takes no prepares still takes resolutions.
 */
export const pack = ({ resolution, prepare }: Lanes, limits: BatchLimits, now: number): Call[] => {
  const calls: Call[] = [];
  const mayMix = resolution.isHealthy && prepare.isHealthy;
  let bytes = PREFIX.length + SUFFIX.length;
  if (resolution.isOpen(now)) bytes = take(resolution, calls, limits, bytes);
  if (prepare.isOpen(now) && (mayMix || calls.length === 0)) take(prepare, calls, limits, bytes);
  return calls;
};

export const batchQuestion = (calls: readonly Call[]): Question => {
  let body = PREFIX;
  let bytes = PREFIX.length + SUFFIX.length - 1;
  for (const call of calls) {
    body += body.length === PREFIX.length ? call.text : `,${call.text}`;
    bytes += call.bytes + 1;
  }
  return { method: 'POST', path: '/v1/batch', body: body + SUFFIX, bytes };
};

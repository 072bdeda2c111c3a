/**
 * When a producer group is asked. Pure: time and chance are arguments. All durations are milliseconds.
 *
 * The first check is due `afterMs` after the broker stored the transaction, exactly; then `intervalMs` after each
 * answer `unknown`, doubling up to `maxIntervalMs`. Jitter only lengthens, by at most 20 %, and never the first check.
 * A check without an answer counts no attempt; it is repeated from one second on (or `intervalMs`, if that is
 * shorter), doubling up to `maxIntervalMs`, for ever.
 */
export interface CheckPolicy {
  readonly afterMs: number;
  readonly intervalMs: number;
  readonly maxIntervalMs: number;
  /** Answers `unknown` before nobody is asked any more. */
  readonly limit: number;
  readonly onLimit: 'unresolved' | 'rollback';
}

export const DEFAULT_CHECK_POLICY: CheckPolicy = {
  afterMs: 6_000,
  intervalMs: 30_000,
  maxIntervalMs: 300_000,
  limit: 15,
  onLimit: 'unresolved',
};

/** Shortest and longest duration a policy may name. */
export const CHECK_DURATION_MS = { min: 100, max: 30 * 24 * 60 * 60 * 1000 } as const;
export const CHECK_LIMIT = { min: 1, max: 1000 } as const;

const FIRST_RETRY_MS = 1_000;
const MAX_JITTER = 0.2;

const backOff = (baseMs: number, doublings: number, maxMs: number, random: number): number => {
  const delay = Math.min(baseMs * 2 ** Math.min(doublings, 40), maxMs);
  return Math.round(delay * (1 + MAX_JITTER * random));
};

export const firstCheckAt = (preparedAt: number, afterMs: number): number => preparedAt + afterMs;

/** `attempts` counts the answers `unknown` so far, at least 1. */
export const nextCheckAfterUnknown = (attempts: number, policy: CheckPolicy, now: number, random: number): number =>
  now + backOff(policy.intervalMs, attempts - 1, policy.maxIntervalMs, random);

/** `failures` counts the checks without an answer since the last answer, at least 1. */
export const nextCheckAfterFailure = (failures: number, policy: CheckPolicy, now: number, random: number): number =>
  now + backOff(Math.min(FIRST_RETRY_MS, policy.intervalMs), failures - 1, policy.maxIntervalMs, random);

/** What a producer group's answer says, to the letter: whatever is not exactly an answer is none. */
import type { Resolution } from '../protocol/wire.ts';

const RESOLUTIONS: readonly unknown[] = ['commit', 'rollback', 'unknown'] satisfies Resolution[];
const utf8 = new TextDecoder('utf-8', { fatal: true });

export interface Reading {
  /** By transaction id; only ids that were asked. */
  readonly answers: ReadonlyMap<string, Resolution>;
  /** Why an asked id got no answer; ids that were simply left out are not in it. */
  readonly faults: ReadonlyMap<string, string>;
  /** Whether it speaks of ids that were not asked. */
  readonly strangers: boolean;
}

/**
 * The body of a 200, read for the ids asked in this very call; or a sentence why it is no answer for any of them. The
 * sentences are a fixed set: they go into the history, which counts equal ones and would grow with different ones.
 */
export const readAnswer = (body: Uint8Array, group: string, asked: ReadonlySet<string>): Reading | string => {
  const answer = parseObject(body);
  if (answer === null) return 'answered something that is not a JSON object';
  if (answer.group !== group) return 'answered for another group';
  const elements = answer.resolutions;
  if (!Array.isArray(elements)) return 'answered without a list of resolutions';
  const said = new Map<string, unknown>();
  const faults = new Map<string, string>();
  let strangers = false;
  for (const element of elements as unknown[]) {
    if (typeof element !== 'object' || element === null) continue;
    const { transactionId: id, resolution } = element as Record<string, unknown>;
    if (typeof id !== 'string' || !asked.has(id)) strangers = true;
    else if (!said.has(id)) said.set(id, resolution);
    else if (said.get(id) !== resolution) faults.set(id, 'answered two different values');
  }
  for (const [id, value] of said) {
    if (!faults.has(id) && !RESOLUTIONS.includes(value)) {
      faults.set(id, 'answered something other than commit, rollback or unknown');
    }
  }
  const answers = new Map([...said].filter(([id]) => !faults.has(id)) as [string, Resolution][]);
  return { answers, faults, strangers };
};

const parseObject = (body: Uint8Array): Record<string, unknown> | null => {
  try {
    const value: unknown = JSON.parse(utf8.decode(body));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
};

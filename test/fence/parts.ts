/** What the participants of a run do, with the SDK's own code; the same on every database, in this thread or another. */

import type { SqlFence } from '../../producer-sdk/fence/sql-fence.ts';
import type { Producer } from '../../producer-sdk/producer.ts';
import { Dead } from './stage.ts';
import type { Ending } from './story.ts';

export const GROUP = 'g';
const MESSAGES = [{ topic: 'transfers', key: 'bob', payload: '{"amount":100}' }];
/** Longer than any run, so that nobody goes on because of the time. */
export const LONG_MS = 600_000;

/**
 * Inside of a local transaction: `lose` ends it behind the SDK's back and begins another one; `savepoint` and `undo` are
 * for tools, and so are `claim` and `verify`, which the SDK does by itself elsewhere. `deadlock` runs into one and goes on.
 */
export type Act =
  | 'claim'
  | 'write'
  | 'throw'
  | 'lose'
  | 'verify'
  | 'savepoint'
  | 'undo'
  | 'deadlock'
  | 'delete the claim';

export type Part =
  | { readonly kind: 'transaction'; readonly isLate: boolean; readonly acts: readonly Act[] }
  /** A transaction of a tool of the user's: claim, verify and settle by hand. */
  | { readonly kind: 'tool'; readonly acts: readonly Act[] }
  | { readonly kind: 'settle' }
  | { readonly kind: 'check' }
  | { readonly kind: 'purge' };

// biome-ignore lint/suspicious/noExplicitAny: of each driver its own
export type AnyTx = any;

/** What a participant acts through. */
export interface Stand {
  readonly name: string;
  readonly producer: Producer<AnyTx>;
  readonly fence: SqlFence<AnyTx>;
  /** Done one after another in the open transaction; on a synchronous database at once. */
  act(tx: AnyTx, acts: readonly Act[], hands: Hands): void | Promise<void>;
  /** BEGIN, work, COMMIT, or ROLLBACK where the work rejects, as any tool does it. */
  tool(work: (executor: AnyTx) => Promise<void>): Promise<void>;
  /** The broker asks: once the transaction is prepared there. */
  asked(): Promise<void>;
  /** The answer is given, and may be on its way for a while. */
  answers(resolution: string | null): Promise<void>;
  /** Only once the broker holds an outcome. */
  ended(): Promise<void>;
}

/** What some acts need besides the transaction. */
export interface Hands {
  readonly id: string;
  readonly name: string;
  readonly error: Error;
  claim(): Promise<void>;
  verify(): Promise<void>;
  rollBackAtBroker(): Promise<void>;
}

export const perform = async (part: Part, id: string, stand: Stand): Promise<Ending> => {
  const error = new Error('the business function failed');
  try {
    return await PARTS[part.kind](part as never, id, stand, error);
  } catch (thrown) {
    if (thrown instanceof Dead) return { kind: 'dead' };
    const { code = '', name = '', message = '' } = thrown as { code?: string; name?: string; message?: string };
    return { kind: 'failed', code: String(code || name), message, isOwn: thrown === error };
  }
};

const none = async (): Promise<void> => {};

type Of<K extends Part['kind']> = Extract<Part, { kind: K }>;
type Play<K extends Part['kind']> = (part: Of<K>, id: string, stand: Stand, error: Error) => Promise<Ending>;

const transaction: Play<'transaction'> = async ({ isLate, acts }, id, stand, error) => {
  const { producer, name } = stand;
  const rollBackAtBroker = async (): Promise<void> => void (await producer.client.rollback(id));
  const done = await producer.transaction({ id, ...(isLate ? {} : { messages: MESSAGES }) }, (tx, { send }) => {
    if (isLate) for (const message of MESSAGES) send(message);
    return stand.act(tx, acts, { id, name, error, claim: none, verify: none, rollBackAtBroker });
  });
  return { kind: 'committed', isRepeated: done.repeated, isAcknowledged: done.delivery === 'acknowledged' };
};

const tool: Play<'tool'> = async ({ acts }, id, stand, error) => {
  const { producer, fence, name } = stand;
  const { state } = await producer.prepare({ id, messages: MESSAGES });
  let failure: unknown = null;
  if (state === 'prepared') {
    try {
      await stand.tool(async executor => {
        let verify = none;
        const claim = async (): Promise<void> => {
          const claimed = await fence.claim(executor, id);
          verify = () => claimed.verify();
        };
        await stand.act(executor, acts, { id, name, error, claim, verify: () => verify(), rollBackAtBroker: none });
      });
    } catch (thrown) {
      if (thrown instanceof Dead) throw thrown;
      failure = thrown;
    }
  }
  return settle({ kind: 'settle' }, id, stand, failure as Error);
};

const settle: Play<'settle'> = async (_, id, { producer }) => {
  try {
    const { outcome } = await producer.settle(id);
    return { kind: 'settled', outcome: outcome === 'committed' ? 'commit' : 'rollback' };
  } catch (thrown) {
    const { code } = thrown as { code?: string };
    // Somebody's transaction under this id is open: settle says so, and the check-back goes on.
    if (code === 'OUTCOME_UNKNOWN') return { kind: 'answered' };
    throw thrown;
  }
};

/** As the broker does it, by HTTP's own objects: one id, one answer. */
export const check = async (id: string, { producer }: Pick<Stand, 'producer'>): Promise<string | null> => {
  const question = {
    group: GROUP,
    checks: [{ transactionId: id, attempt: 1, preparedAt: '2026-11-21T10:00:00.000Z' }],
  };
  const headers = { 'content-type': 'application/json' };
  const request = new Request('http://127.0.0.1/escrow/check', {
    method: 'POST',
    headers,
    body: JSON.stringify(question),
  });
  const response = await producer.checkHandler()(request);
  // The fence cannot be read now: no answer. Anything else would be the question's fault.
  if (response.status === 503) return null;
  if (response.status !== 200) throw new Error(`a check-back was answered ${response.status}`);
  const { group, resolutions } = (await response.json()) as {
    group: string;
    resolutions: { transactionId: string; resolution: string }[];
  };
  const [answer, ...others] = resolutions;
  if (group !== GROUP || others.length > 0 || (answer !== undefined && answer.transactionId !== id)) return 'nonsense';
  return answer?.resolution ?? null;
};

const PARTS: { readonly [K in Part['kind']]: Play<K> } = {
  transaction,
  tool,
  settle,
  check: async (_, id, stand) => {
    await stand.asked();
    await stand.answers(await check(id, stand));
    return { kind: 'answered' };
  },
  purge: async (_, __, { fence, ended }) => {
    await ended();
    await fence.purge({ horizonMs: 0, minAgeMs: 0 });
    return { kind: 'answered' };
  },
};

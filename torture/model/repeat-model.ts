/**
 * What the broker must answer, from the contract alone: a few transactions, and every request about them. It learns
 * what only the broker can choose, such as times, from the first answer, and holds every later one to it.
 */

export type Kind = 'prepare' | 'commit' | 'rollback' | 'check' | 'show' | 'retry' | 'discard' | 'group';

export interface RepeatRequest {
  readonly kind: Kind;
  /** Of the transaction, or of the group. */
  readonly id: string;
  /** Of a prepare. */
  readonly group: string;
  /** Which content a prepare has, and which settings a group gets. */
  readonly content: number;
  /** A resolution with it is an operator's. */
  readonly reason: string | null;
}

export interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the broker answered
  readonly body: any;
}

interface Entry {
  readonly group: string;
  readonly content: number;
  state: string;
  resolvedBy: string | null;
  /** As they were told first; null: not yet. */
  preparedAt: string | null;
  resolvedAt: string | null;
}

/** Those that have an address to be asked at. */
export const ASKABLE = 'askable';
const STATE_OF = { commit: 'committed', rollback: 'rolled_back' } as const;

export class RepeatModel {
  readonly #entries = new Map<string, Entry>();

  /** Carries the request out. Null: it is taken; else the code with which it is refused, each time. */
  take(request: RepeatRequest): string | null {
    const { kind, id, group, content, reason } = request;
    const entry = this.#entries.get(id);
    if (kind === 'group') return null;
    if (kind === 'prepare') {
      if (entry === undefined) {
        const now = { state: 'prepared', resolvedBy: null, preparedAt: null, resolvedAt: null };
        this.#entries.set(id, { group, content, ...now });
        return null;
      }
      if (entry.group !== group) return 'ID_TAKEN';
      return entry.content === content ? null : 'EXISTS_WITH_DIFFERENT_CONTENT';
    }
    const isAboutMessage = kind === 'retry' || kind === 'discard';
    if (entry === undefined) return isAboutMessage ? 'MESSAGE_NOT_FOUND' : 'TRANSACTION_NOT_FOUND';
    if (kind === 'show') return null;
    if (isAboutMessage) return 'NOT_PARKED';
    const refusal = entry.state === 'prepared' ? null : `ALREADY_${entry.state.toUpperCase()}`;
    if (kind === 'check') return refusal ?? (entry.group === ASKABLE ? null : 'NO_CHECK_URL');
    if (entry.state === STATE_OF[kind]) return null;
    if (refusal !== null) return refusal;
    entry.state = STATE_OF[kind];
    entry.resolvedBy = reason === null ? 'producer' : 'operator';
    return null;
  }

  /** What is wrong with a reply to a request that was taken or refused like that; null: nothing. */
  judge({ kind, id, content }: RepeatRequest, refusal: string | null, { status, body }: Reply): string | null {
    if (refusal !== null) {
      const state = this.#entries.get(id)?.state;
      if (body?.code !== refusal) return `it must be refused with ${refusal}`;
      return body.state === undefined || body.state === state
        ? null
        : `it is refused as ${body.state}, and is ${state}`;
    }
    if (status >= 300) return 'it must be taken';
    if (kind === 'group') {
      const { limit } = body.check;
      return body.group === id && limit === content + 1 ? null : `it is ${body.group} with a limit of ${limit}`;
    }
    const entry = this.#entries.get(id)!;
    for (const name of ['state', 'group', 'resolvedBy'] as const) {
      if (body[name] !== entry[name]) return `${name} is ${body[name]}, and must be ${entry[name]}`;
    }
    for (const name of ['preparedAt', 'resolvedAt'] as const) {
      if (name === 'resolvedAt' && entry.state === 'prepared') continue;
      entry[name] ??= body[name];
      if (body[name] !== entry[name]) return `${name} is ${body[name]}, and was told as ${entry[name]}`;
    }
    if (kind !== 'show') return null;
    const settled = body.history.filter(({ event }: { event: string }) => event === entry.state);
    return settled.length <= 1 ? null : `its history says ${settled.length} times that it is ${entry.state}`;
  }
}

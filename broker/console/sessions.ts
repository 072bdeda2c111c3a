/** Who is logged in: in memory alone, so that a restart ends every session and no key of a visitor reaches the disk. */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

export const IDLE_MS = 8 * 3_600_000;
export const LONGEST_MS = 24 * 3_600_000;
/** Beyond, the one that was idle longest ends. */
export const MAX_SESSIONS = 1_000;
/** The same for those of one key: who logs in again and again pushes nobody out but others with the same key. */
export const MAX_OF_ONE_KEY = 100;
const TOKEN_BYTES = 32;

export type Role = 'viewer' | 'operator';

/** Somebody who looks at the console. */
export interface Visitor {
  /** Tells one session's jobs from another's. */
  readonly id: string;
  /** Null: the broker runs without keys. */
  readonly key: string | null;
  readonly role: Role;
  /** As a page names the visitor. */
  readonly name: string;
  /** In every form: whoever cannot read our pages cannot know it. */
  readonly formToken: string;
}

interface Session {
  readonly visitor: Visitor;
  readonly begunAt: number;
  seenAt: number;
}

export const newToken = (): string => randomBytes(TOKEN_BYTES).toString('base64url');

const digestOf = (token: string): string => hash('sha256', token, 'base64url');

export const isSameText = (a: string, b: string): boolean =>
  timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'));

/** Times on a clock that never goes back. */
export class Sessions {
  readonly #now: () => number;
  /** By the hash of the token: what is read out of this memory opens nothing. Those idle longest come first. */
  readonly #sessions = new Map<string, Session>();

  constructor(monotonic: () => number) {
    this.#now = monotonic;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The token, which nobody sees again. */
  begin(key: string, role: Role, name: string): string {
    const token = newToken();
    const now = this.#now();
    const visitor = { id: newToken(), key, role, name, formToken: newToken() };
    const ofKey = [...this.#sessions].filter(([, { visitor: other }]) => other.key === key).map(([digest]) => digest);
    if (ofKey.length >= MAX_OF_ONE_KEY) this.#sessions.delete(ofKey[0]!);
    else if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value!);
    this.#sessions.set(digestOf(token), { visitor, begunAt: now, seenAt: now });
    return token;
  }

  /** Null where there is none, or where it is over. `isUse`: somebody did something, so that it is idle no longer. */
  find(token: string | undefined, isUse = true): Visitor | null {
    if (token === undefined) return null;
    const digest = digestOf(token);
    const session = this.#sessions.get(digest);
    if (session === undefined) return null;
    const now = this.#now();
    const isOver = now - session.seenAt >= IDLE_MS || now - session.begunAt >= LONGEST_MS;
    if (isOver || isUse) this.#sessions.delete(digest);
    if (isOver) return null;
    if (isUse) {
      session.seenAt = now;
      this.#sessions.set(digest, session);
    }
    return session.visitor;
  }

  end(token: string | undefined): void {
    if (token !== undefined) this.#sessions.delete(digestOf(token));
  }
}

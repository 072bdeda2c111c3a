/** One run of a business function under the fence: what it was given, how far it came. */
import { InvalidCallError } from './client/client-errors.ts';
import type { MessageDraft, TransactionDraft } from './client/operation-text.ts';
import { clock, type Moment } from './clock.ts';

/** What a transaction is made of; the id is made where none is given. */
export interface TransactionOptions extends Omit<TransactionDraft, 'group' | 'messages'> {
  /**
   * 1..100, prepared before the local transaction begins. Left out: the business function gives them by `send`, and
   * they are prepared at its end with the transaction open, so its locks are held for one round trip to the broker.
   */
  messages?: readonly MessageDraft[];
  /** Instead of the producer's `transactionTimeoutMs`. */
  timeoutMs?: number;
  /** Ends the transaction, as long as it has not committed. */
  signal?: AbortSignal;
}

/** What a business function gets besides its transaction. */
export interface TransactionContext {
  readonly id: string;
  /** Adds a message; only where the transaction was begun without `messages`, and until the function has returned. */
  send(message: MessageDraft): void;
}

/** What happens in the local transaction. On better-sqlite3 it must not be async. */
export type Business<Tx, T> = (tx: Tx, context: TransactionContext) => T | Promise<T>;

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function';

const keptContent = (content: unknown): unknown => (content instanceof Uint8Array ? Uint8Array.from(content) : content);

/** As it is now: it may have to be prepared again when its giver has changed it long since. */
export const kept = (message: MessageDraft): MessageDraft => {
  if (typeof message !== 'object' || message === null) return message;
  const { headers } = message;
  const copy = { ...message, payload: keptContent(message.payload) } as MessageDraft;
  if ('key' in message) copy.key = keptContent(message.key) as NonNullable<MessageDraft['key']>;
  if (typeof headers === 'object' && headers !== null) {
    copy.headers = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, keptContent(value) as typeof value]),
    );
  }
  return copy;
};

export class Execution<Tx, T> {
  readonly id: string;
  readonly isLate: boolean;
  /** Whether the business function was begun, which the claim alone lets happen. */
  hasBegun = false;
  /** When the prepare was first sent; null: it was not. */
  firstSentAt: Moment | null = null;
  /** What the function returned, once it has. */
  returned: { readonly value: T } | null = null;
  readonly #draft: Omit<TransactionDraft, 'messages'>;
  readonly #messages: MessageDraft[];
  readonly #business: Business<Tx, T>;
  #isOpen = true;

  constructor(id: string, group: string, options: TransactionOptions, business: Business<Tx, T>) {
    const { messages, timeoutMs: _, signal: __, ...draft } = options;
    this.id = id;
    this.isLate = messages === undefined;
    this.#draft = { ...draft, id, group };
    this.#messages = [...(messages ?? [])].map(kept);
    this.#business = business;
  }

  /** Null: there is nothing to tell anybody. */
  get draft(): TransactionDraft | null {
    return this.isLate && this.#messages.length === 0 ? null : { ...this.#draft, messages: this.#messages };
  }

  /** The draft, about to be sent for the first time. */
  sending(): TransactionDraft | null {
    const { draft } = this;
    if (draft !== null) this.firstSentAt = clock.moment();
    return draft;
  }

  run(tx: Tx): T | Promise<T> {
    this.hasBegun = true;
    // A tool that tries again runs it again: what the attempt before had given is rolled back with it.
    if (this.isLate) this.#messages.length = 0;
    this.#isOpen = true;
    const result = this.#business(tx, { id: this.id, send: message => this.#send(message) });
    const returned = (value: T): T => {
      this.#isOpen = false;
      this.returned = { value };
      return value;
    };
    return isThenable(result) ? Promise.resolve(result).then(returned) : returned(result);
  }

  #send(message: MessageDraft): void {
    if (!this.isLate) {
      throw new InvalidCallError('This transaction was begun with messages; leave them out to give them by send().');
    }
    if (!this.#isOpen) throw new InvalidCallError('The business function has returned: send() comes too late.');
    this.#messages.push(kept(message));
  }
}

/** A driver's connection as the business function may use it: for statements, as long as its transaction is open. */
import { leftRunning } from './connection.ts';
import { claimLost, misused } from './local-database.ts';

interface Rules {
  /** Methods that send statements. */
  readonly statements: ReadonlySet<string>;
  /** Methods that would end the transaction or give the connection away. */
  readonly forbidden: ReadonlySet<string>;
  /** Why this text may not be sent; null: it may. */
  readonly objection: (sql: string) => string | null;
  /** Whether after this error the transaction is over on the server, whatever the function makes of it. */
  readonly endsTransaction: (error: unknown) => boolean;
}

type Method = (...args: unknown[]) => unknown;

const textOf = (query: unknown): string => {
  if (typeof query === 'string') return query;
  const { text, sql } = (query ?? {}) as { text?: unknown; sql?: unknown };
  return typeof text === 'string' ? text : typeof sql === 'string' ? sql : '';
};

/** MySQL runs what stands in comments that begin with an exclamation mark, so only their beginning goes. */
const LEADING_COMMENTS = /^(?:\s+|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|\/\*M?!\d*|\/\*[\s\S]*?\*\/|;)+/;

export const withoutLeadingComments = (sql: string): string => sql.replace(LEADING_COMMENTS, '');

export class GuardedConnection<C extends object> {
  readonly handle: C;
  readonly #rules: Rules;
  #running = 0;
  #isOver = false;
  #refused: Error | null = null;
  #ended: unknown = null;

  constructor(connection: C, rules: Rules) {
    this.#rules = rules;
    this.handle = new Proxy(connection, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function' || name === 'constructor') return value;
        if (typeof name === 'string' && rules.forbidden.has(name)) {
          return () => {
            throw misused(`${name}() is not for the business function: the transaction is begun and ended for it.`);
          };
        }
        const method = (value as Method).bind(target);
        return typeof name === 'string' && rules.statements.has(name) ? this.#watched(method) : method;
      },
    });
  }

  /** No statement is sent through the handle any more. Returns why its transaction must not be committed, or null. */
  seal(): Error | null {
    this.#isOver = true;
    if (this.#refused !== null) return this.#refused;
    if (this.#ended !== null) {
      const said = this.#ended instanceof Error ? this.#ended.message : String(this.#ended);
      return claimLost(
        `The database ended the transaction (${said}), and the error was caught; it cannot be committed.`,
      );
    }
    return this.#running > 0 ? leftRunning(this.#running) : null;
  }

  #watched(method: Method): Method {
    return (...args) => {
      const callback = args.at(-1);
      const objection = this.#isOver
        ? 'The transaction is over: this handle sends nothing any more.'
        : this.#rules.objection(withoutLeadingComments(textOf(args[0])));
      if (objection !== null) {
        if (typeof callback !== 'function') return Promise.reject(misused(objection));
        // The function may be over before its callback hears of it.
        this.#refused ??= misused(objection);
        queueMicrotask(() => (callback as Method)(misused(objection)));
        return undefined;
      }
      this.#running += 1;
      const done = (error?: unknown): void => {
        this.#running -= 1;
        if (error && this.#rules.endsTransaction(error)) this.#ended ??= error;
      };
      if (typeof callback === 'function') {
        args[args.length - 1] = (error: unknown, ...results: unknown[]) => {
          done(error);
          (callback as Method)(error, ...results);
        };
        return method(...args);
      }
      let result: unknown;
      try {
        result = method(...args);
      } catch (error) {
        done(error);
        throw error;
      }
      if (result instanceof Promise) result.then(() => done(), done);
      else done();
      return result;
    };
  }
}

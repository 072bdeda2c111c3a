/** Requests that no route takes: 405 where the path is known under another method, else 404. */
import type { ErrorCode } from '../protocol/errors.ts';
import type { Fault } from './problem.ts';

/** Paths and their methods, as they were registered. */
export class KnownPaths {
  readonly #paths = new Map<string, { readonly form: RegExp; readonly methods: Set<string> }>();

  add(url: string, methods: readonly string[]): void {
    const known = this.#paths.get(url) ?? { form: formOf(url), methods: new Set() };
    for (const method of methods) known.methods.add(method);
    this.#paths.set(url, known);
  }

  /** `allow` is the value of the Allow header that belongs to a 405. */
  refuse(method: string, path: string): Fault & { readonly code: ErrorCode; readonly allow?: string } {
    for (const { form, methods } of this.#paths.values()) {
      if (!form.test(path)) continue;
      const allow = [...methods].sort().join(', ');
      return { code: 'METHOD_NOT_ALLOWED', detail: `${method} is not possible here, but ${allow}.`, allow };
    }
    return { code: 'NOT_FOUND', detail: 'There is nothing at this address.' };
  }
}

/** `/v1/transactions/:id/commit` → an expression for the paths that the router takes for it. */
const formOf = (url: string): RegExp => {
  const parts = url.split('/').map(part => {
    if (part.startsWith(':')) return '[^/]+';
    return part === '*' ? '.*' : part.replaceAll('.', '\\.');
  });
  return new RegExp(`^${parts.join('/')}$`);
};

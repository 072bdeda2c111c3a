/** Secrets put into every field that takes a text, right or wrong, so that they can be looked for where they must not be. */
import type { Call } from './matrix.ts';
import type { Rule } from './rules.ts';

/** As they may be written somewhere: themselves, without what says what they are, and in base64. */
const spellingsOf = (secret: string): string[] => {
  const bare = secret.replace(/^(whsec_|emq_[0-9a-f]{12}_)/, '');
  return [...new Set([bare, Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1)])];
};

/** The secrets that occur in the text, each by its name. */
export const leaksIn = (text: string, secrets: Readonly<Record<string, string>>): string[] =>
  Object.entries(secrets)
    .filter(([, secret]) => spellingsOf(secret).some(spelling => text.includes(spelling)))
    .map(([name]) => name);

/** The body with one of its texts replaced, for each of them. */
const replaced = (body: unknown, text: string): unknown[] => {
  if (typeof body === 'string') return [text];
  if (typeof body !== 'object' || body === null) return [];
  const entries = Object.entries(body);
  const whole = (name: string, value: unknown): unknown =>
    Array.isArray(body) ? body.with(Number(name), value) : { ...body, [name]: value };
  return [
    ...entries.flatMap(([name, value]) => replaced(value, text).map(other => whole(name, other))),
    // As a name, which nobody knows.
    ...(Array.isArray(body) ? [] : [{ ...body, [text]: text }]),
  ];
};

/** Calls with the secret in every place of every rule: path, query, names and values of bodies. Their number. */
export const strew = async (
  rules: readonly Rule[],
  call: Call,
  operatorKey: string,
  secret: string,
): Promise<number> => {
  let calls = 0;
  const send = async (method: string, path: string, body: unknown): Promise<void> => {
    await call(method, path, body, operatorKey);
    calls++;
  };
  for (const { route, path, body } of rules) {
    const method = route.slice(0, route.indexOf(' '));
    if (method === 'HEAD' || method === 'DELETE') continue;
    const text = encodeURIComponent(secret);
    await send(method, `${path.split('?')[0]}?${text}=${text}&limit=${text}&group=${text}&cursor=${text}`, body);
    const parts = path.split('/');
    for (let i = 1; i < parts.length; i++) await send(method, parts.with(i, text).join('/'), body);
    for (const other of replaced(body, secret)) await send(method, path, other);
    await send('POST', path, secret);
  }
  return calls;
};

/** Every rule tried in every role, on a broker with keys; what is answered otherwise than the rule says is an anomaly. */
import { OWN_TOPIC, OWN_TRANSACTIONS, ROLES, type Role, type Rule, rulesFor } from './rules.ts';

export interface Reply {
  readonly status: number;
  readonly text: string;
}

/** `key` null: without one. */
export type Call = (method: string, path: string, body: unknown, key: string | null) => Promise<Reply>;

export interface Guarded {
  readonly call: Call;
  /** Of the key from outside. */
  readonly operatorKey: string;
  /** As the broker's clock has it, ms since 1970. */
  now(): number;
  /** Resolves when the broker's clock has gone on so far. */
  passed(ms: number): Promise<void>;
}

/** A key to expire lives so long, or twice as long and so on where the broker is too slow for that. */
const SHORT_LIFE_MS = 300;
const LONGEST_LIFE_MS = 20_000;
/** Nobody listens there. */
const CHECK_URL = 'http://127.0.0.1:9/check';
const NOT_FOUND = 404;
const REFUSED = 400;

type Keys = Readonly<Record<Role, string | null>>;

const parsed = ({ text }: Reply) => JSON.parse(text);

/** Groups, transactions, and a key for every role. Rejects where the operator is not let do that. */
const prepareStage = async ({ call, operatorKey, now, passed }: Guarded): Promise<{ keys: Keys; spare: string }> => {
  const operator = async (method: string, path: string, body: unknown): Promise<Reply> => {
    const reply = await call(method, path, body, operatorKey);
    if (reply.status >= REFUSED) throw new Error(`${method} ${path}: ${reply.status} ${reply.text}`);
    return reply;
  };
  const make = async (body: object): Promise<{ prefix: string; key: string }> =>
    parsed(await operator('POST', '/v1/keys', body));
  const makeShortLived = async (lifeMs = SHORT_LIFE_MS): Promise<{ key: string; lifeMs: number }> => {
    const expiresAt = new Date(now() + lifeMs).toISOString();
    const reply = await call('POST', '/v1/keys', { role: 'operator', expiresAt }, operatorKey);
    if (reply.status < REFUSED || lifeMs > LONGEST_LIFE_MS) return { key: parsed(reply).key, lifeMs };
    return makeShortLived(2 * lifeMs);
  };
  const expired = await makeShortLived();
  const revoked = await make({ role: 'operator' });
  const keys: Keys = {
    none: null,
    wrong: `${revoked.prefix}_${'A'.repeat(43)}`,
    expired: expired.key,
    revoked: revoked.key,
    own: (await make({ role: 'producer', group: 'own' })).key,
    foreign: (await make({ role: 'producer', group: 'foreign' })).key,
    viewer: (await make({ role: 'viewer' })).key,
    operator: (await make({ role: 'operator' })).key,
  };
  await operator('DELETE', `/v1/keys/${revoked.prefix}`, undefined);
  for (const group of ['own', 'foreign']) {
    const check = { afterMs: 3_600_000 };
    await operator('PUT', `/v1/producer-groups/${group}`, { checkUrl: CHECK_URL, check });
  }
  const message = { topic: OWN_TOPIC, payload: 'own-canary-payload', key: 'own-canary-key' };
  for (const id of OWN_TRANSACTIONS) {
    await operator('POST', '/v1/transactions', { id, group: 'own', messages: [message] });
  }
  const others = [{ topic: 'transfers', payload: 'x' }];
  await operator('POST', '/v1/transactions', { id: 'theirs', group: 'foreign', messages: others });
  const { prefix: spare } = await make({ role: 'viewer' });
  await passed(expired.lifeMs);
  return { keys, spare };
};

const statusOf = (rule: Rule, reply: Reply): number =>
  rule.path === '/v1/batch' && reply.status === 200 ? parsed(reply).results[0].status : reply.status;

const isExpected = (expected: number | readonly number[], status: number): boolean =>
  [expected].flat().includes(status);

const expectedOf = (rule: Rule, role: Role): number | readonly number[] =>
  role === 'none' || role === 'wrong' || role === 'expired' || role === 'revoked'
    ? (rule.nobody ?? 401)
    : rule.answers[role];

const isRefusal = (expected: number | readonly number[]): boolean =>
  [expected].flat().every(status => status >= REFUSED);

/** The same with names that nobody has. */
const unknown = (text: string): string => text.replaceAll(/\bown(-[a-z]+)*/g, 'unheard');

/** Operations of a batch, as the broker itself lists them where it is asked for another one. */
const batchOperations = async ({ call, operatorKey }: Guarded): Promise<string[]> => {
  const reply = await call('POST', '/v1/batch', { operations: [{ op: '?' }] }, operatorKey);
  const detail: string = parsed(reply).results[0].body.detail;
  return detail.slice(detail.indexOf('one of ') + 'one of '.length, -1).split(', ');
};

/** What a call without the right might have changed; not what changes by itself. */
const stateOf = async ({ call, operatorKey }: Guarded): Promise<string> => {
  const paths = [
    '/v1/keys',
    '/v1/producer-groups',
    '/v1/acts',
    '/v1/transactions?limit=500',
    '/v1/transactions?contradicted=true',
  ];
  const replies = await Promise.all(paths.map(path => call('GET', path, undefined, operatorKey)));
  return JSON.stringify(
    replies.map(reply => parsed(reply).items.map((item: { health?: object }) => ({ ...item, health: null }))),
  );
};

/**
 * `cells`: rules times roles. `routes` are those of the server, which must have a rule each. `look`, where it is given,
 * tells anomalies that show elsewhere; the first one of all then ends it.
 */
export const tryMatrix = async (
  routes: readonly string[],
  broker: Guarded,
  look: (() => string[]) | null,
): Promise<{ cells: number; rules: readonly Rule[]; secrets: readonly string[]; anomalies: string[] }> => {
  const { call } = broker;
  const { keys, spare } = await prepareStage(broker);
  const { rules, unruled } = rulesFor(routes, spare);
  const anomalies = unruled.map(route => `${route} has no rule.`);
  for (const op of await batchOperations(broker)) {
    const hasRule = rules.some(({ body }) => (body as { operations?: { op: string }[] })?.operations?.[0]?.op === op);
    if (!hasRule) anomalies.push(`The operation ${op} of a batch has no rule.`);
  }

  const tryCell = async (rule: Rule, role: Role, expected: number | readonly number[]): Promise<void> => {
    const method = rule.route.slice(0, rule.route.indexOf(' '));
    const reply = await call(method, rule.path, rule.body, keys[role]);
    const status = statusOf(rule, reply);
    const what = `${role}: ${method} ${rule.path} ${JSON.stringify(rule.body) ?? ''}`;
    if (!isExpected(expected, status)) anomalies.push(`${what} was answered ${status}, should be ${expected}.`);
    if (role === 'own' || role === 'viewer' || role === 'operator') return;
    const isTold = reply.text.includes('own-canary') || (status < REFUSED && /"own"|\bown-/.test(reply.text));
    if (isTold) anomalies.push(`${what} was told what is not his: ${reply.text.slice(0, 300)}`);
    if (status !== NOT_FOUND || method === 'HEAD') return;
    const body = rule.body === undefined ? undefined : JSON.parse(unknown(JSON.stringify(rule.body)));
    const nothing = await call(method, unknown(rule.path), body, keys[role]);
    if (nothing.status !== reply.status || nothing.text !== unknown(reply.text)) {
      anomalies.push(`${what} can tell what is foreign from what is not there: ${reply.text} and ${nothing.text}`);
    }
  };

  const isOver = (): boolean => {
    if (look !== null && anomalies.length === 0) anomalies.push(...look());
    return look !== null && anomalies.length > 0;
  };
  let cells = 0;
  const tryAll = async (rule: Rule, areRefused: boolean): Promise<void> => {
    for (const role of ROLES) {
      const expected = expectedOf(rule, role);
      if (isRefusal(expected) !== areRefused || isOver()) continue;
      await tryCell(rule, role, expected);
      cells++;
    }
  };
  const before = await stateOf(broker);
  for (const rule of rules) {
    await tryAll(rule, true);
    const hasChanged = !rule.route.startsWith('GET') && (await stateOf(broker)) !== before;
    if (hasChanged) anomalies.push(`${rule.route} ${rule.path}: a refused call changed something.`);
    if (isOver()) break;
  }
  for (const rule of rules) await tryAll(rule, false);
  return { cells, rules, secrets: Object.values(keys).filter(key => key !== null), anomalies };
};

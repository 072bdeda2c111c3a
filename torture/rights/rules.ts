/**
 * Who may do what: a rule or more for every route, written down here by hand and not read from the product. Group `own`
 * owns every object that a rule is about; the key of group `foreign` has no right to any of them.
 */

/** Whoever calls. The first four have no key that is good. */
export const ROLES = ['none', 'wrong', 'expired', 'revoked', 'foreign', 'viewer', 'own', 'operator'] as const;
export type Role = (typeof ROLES)[number];

type Expected = number | readonly number[];

export interface Rule {
  /** As the server registers it. */
  readonly route: string;
  /** With names in place of parameters. */
  readonly path: string;
  readonly body?: unknown;
  readonly answers: Readonly<Record<Exclude<Role, 'none' | 'wrong' | 'expired' | 'revoked'>, Expected>>;
  /** For callers without a good key; 401 where it is left out. */
  readonly nobody?: Expected;
}

/** Transactions of `own` that the rules are about; each is prepared beforehand. */
export const OWN_TRANSACTIONS = [
  'own-read',
  'own-commit',
  'own-decided',
  'own-rollback',
  'own-refused',
  'own-check',
  'own-batch-commit',
  'own-batch-decided',
  'own-batch-rollback',
  'own-batch-check',
] as const;

/** What nobody but `own`, viewers and operators may ever see. */
export const OWN_TOPIC = 'own-canary-topic';

const REASON = { reason: 'because' };
const MESSAGES = [{ topic: OWN_TOPIC, payload: 'own-canary-payload', key: 'own-canary-key' }];
const MADE = [200, 201];
const READ_BY_ALL = { foreign: 200, viewer: 200, own: 200, operator: 200 };
const READ_BY_OWNER = { foreign: 404, viewer: 200, own: 200, operator: 200 };
const FOR_VIEWERS = { foreign: 403, viewer: 200, own: 403, operator: 200 };
const forOwner = (own: Expected, operator: Expected) => ({ foreign: 404, viewer: 403, own, operator });
const forOperator = (operator: Expected) => ({ foreign: 403, viewer: 403, own: 403, operator });

const inBatch = (operation: object, answers: Rule['answers']): Rule => ({
  route: 'POST /v1/batch',
  path: '/v1/batch',
  body: { operations: [operation] },
  answers,
});

/** `spareKey`: the prefix of a key that may be revoked. */
export const rulesWith = (spareKey: string): Rule[] => [
  {
    route: 'PUT /v1/producer-groups/:group',
    path: '/v1/producer-groups/own',
    body: { check: { limit: 7 } },
    answers: forOwner(200, 200),
  },
  {
    route: 'PUT /v1/producer-groups/:group',
    path: '/v1/producer-groups/own-new',
    body: {},
    answers: forOwner(404, 201),
  },
  { route: 'GET /v1/producer-groups/:group', path: '/v1/producer-groups/own', answers: READ_BY_OWNER },
  { route: 'GET /v1/producer-groups', path: '/v1/producer-groups', answers: READ_BY_ALL },
  {
    route: 'POST /v1/producer-groups/:group/test',
    path: '/v1/producer-groups/own/test',
    answers: forOwner(200, 200),
  },
  {
    route: 'POST /v1/transactions',
    path: '/v1/transactions',
    body: { id: 'own-made', group: 'own', messages: MESSAGES },
    answers: forOwner(MADE, MADE),
  },
  {
    route: 'POST /v1/transactions',
    path: '/v1/transactions',
    body: { messages: [{ topic: 'transfers', payload: 'x' }] },
    answers: { foreign: 201, viewer: 403, own: 201, operator: 400 },
  },
  {
    route: 'POST /v1/transactions/:id/commit',
    path: '/v1/transactions/own-commit/commit',
    answers: forOwner(200, 400),
  },
  {
    route: 'POST /v1/transactions/:id/commit',
    path: '/v1/transactions/own-decided/commit',
    body: REASON,
    answers: forOperator(200),
  },
  {
    route: 'POST /v1/transactions/:id/rollback',
    path: '/v1/transactions/own-rollback/rollback',
    answers: forOwner(200, 400),
  },
  {
    route: 'POST /v1/transactions/:id/rollback',
    path: '/v1/transactions/own-refused/rollback',
    body: REASON,
    answers: forOperator(200),
  },
  {
    route: 'POST /v1/transactions/:id/check',
    path: '/v1/transactions/own-check/check',
    body: REASON,
    answers: forOperator(202),
  },
  inBatch({ op: 'prepare', id: 'own-batched', group: 'own', messages: MESSAGES }, forOwner(MADE, MADE)),
  inBatch(
    { op: 'prepare', messages: [{ topic: 'transfers', payload: 'x' }] },
    { foreign: 201, viewer: 403, own: 201, operator: 400 },
  ),
  inBatch({ op: 'commit', id: 'own-batch-commit' }, forOwner(200, 400)),
  inBatch({ op: 'commit', id: 'own-batch-decided', ...REASON }, forOperator(200)),
  inBatch({ op: 'rollback', id: 'own-batch-rollback' }, forOwner(200, 400)),
  inBatch({ op: 'check', id: 'own-batch-check', ...REASON }, forOperator(202)),
  // None of them is parked.
  inBatch({ op: 'retry', messageId: 'own-read.0', ...REASON }, forOperator(409)),
  inBatch({ op: 'discard', messageId: 'own-read.0', ...REASON }, forOperator(409)),
  { route: 'GET /v1/transactions/:id', path: '/v1/transactions/own-read', answers: READ_BY_OWNER },
  { route: 'GET /v1/transactions/:id', path: '/v1/transactions/own-read?payload=true', answers: READ_BY_OWNER },
  { route: 'GET /v1/transactions', path: '/v1/transactions?limit=500', answers: READ_BY_ALL },
  { route: 'GET /v1/transactions', path: '/v1/transactions?group=own', answers: READ_BY_ALL },
  { route: 'GET /v1/transactions', path: `/v1/transactions?topic=${OWN_TOPIC}`, answers: READ_BY_ALL },
  {
    route: 'POST /v1/messages/:messageId/retry',
    path: '/v1/messages/own-read.0/retry',
    body: REASON,
    answers: forOperator(409),
  },
  {
    route: 'POST /v1/messages/:messageId/discard',
    path: '/v1/messages/own-read.0/discard',
    body: REASON,
    answers: forOperator(409),
  },
  { route: 'GET /v1/topics', path: '/v1/topics', answers: READ_BY_ALL },
  { route: 'GET /v1/messages', path: '/v1/messages?state=parked', answers: FOR_VIEWERS },
  { route: 'GET /v1/messages', path: `/v1/messages?state=parked&group=own&topic=${OWN_TOPIC}`, answers: FOR_VIEWERS },
  { route: 'GET /v1/attention', path: '/v1/attention', answers: FOR_VIEWERS },
  { route: 'POST /v1/backup', path: '/v1/backup', body: REASON, answers: forOperator(200) },
  { route: 'GET /v1/acts', path: '/v1/acts', answers: FOR_VIEWERS },
  { route: 'GET /v1/acts', path: '/v1/acts?group=own', answers: FOR_VIEWERS },
  { route: 'GET /v1/status', path: '/v1/status', answers: FOR_VIEWERS },
  { route: 'GET /v1/memory/records', path: '/v1/memory/records', answers: FOR_VIEWERS },
  { route: 'POST /v1/keys', path: '/v1/keys', body: { role: 'viewer' }, answers: forOperator(201) },
  { route: 'GET /v1/keys', path: '/v1/keys', answers: forOperator(200) },
  { route: 'DELETE /v1/keys/:prefix', path: `/v1/keys/${spareKey}`, answers: forOperator(204) },
  { route: 'GET /livez', path: '/livez', answers: READ_BY_ALL, nobody: 200 },
  { route: 'GET /readyz', path: '/readyz', answers: READ_BY_ALL, nobody: 200 },
  { route: 'GET /metrics', path: '/metrics', answers: FOR_VIEWERS },
  { route: 'GET /openapi.json', path: '/openapi.json', answers: FOR_VIEWERS },
  { route: 'GET /errors', path: '/errors', answers: READ_BY_ALL },
];

/** The console knows visitors by their session alone: whoever sends nothing but a key is led to the login. */
const CONSOLE: readonly (readonly [route: string, path: string, status: number])[] = [
  ['GET /console/files/:file', '/console/files/console.css', 404],
  ['GET /console/login', '/console/login', 200],
  // No form was sent.
  ['POST /console/login', '/console/login', 415],
  ['POST /console/logout', '/console/logout', 415],
  ['GET /console', '/console', 303],
  ['GET /console/*', '/console/nowhere', 303],
  ['GET /console/attention', '/console/attention', 303],
  ['GET /console/live', '/console/live', 303],
  ['GET /console/search', '/console/search?q=own-read', 303],
  ['GET /console/transactions', '/console/transactions', 303],
  ['GET /console/transactions/more', '/console/transactions/more', 303],
  ['GET /console/transactions/:id', '/console/transactions/own-read', 303],
  ['GET /console/transactions/:id/now', '/console/transactions/own-read/now', 303],
  ['POST /console/transactions/:id/commit', '/console/transactions/own-read/commit', 303],
  ['POST /console/transactions/:id/rollback', '/console/transactions/own-read/rollback', 303],
  ['POST /console/transactions/:id/check', '/console/transactions/own-read/check', 303],
  ['POST /console/messages/:id/retry', '/console/messages/own-read.0/retry', 303],
  ['POST /console/messages/:id/discard', '/console/messages/own-read.0/discard', 303],
  ['GET /console/unresolved', '/console/unresolved', 303],
  ['GET /console/unresolved/list', '/console/unresolved/list?group=own', 303],
  ['GET /console/parked', '/console/parked', 303],
  ['GET /console/parked/list', '/console/parked/list', 303],
  ['GET /console/jobs', '/console/jobs', 303],
  ['POST /console/jobs', '/console/jobs', 303],
  ['GET /console/jobs/:id', '/console/jobs/x', 303],
  ['GET /console/jobs/:id/live', '/console/jobs/x/live', 303],
  ['POST /console/jobs/:id/confirm', '/console/jobs/x/confirm', 303],
  ['POST /console/jobs/:id/stop', '/console/jobs/x/stop', 303],
  ['GET /console/producer-groups', '/console/producer-groups', 303],
  ['GET /console/producer-groups/:group', '/console/producer-groups/own', 303],
  ['POST /console/producer-groups/:group/test', '/console/producer-groups/own/test', 303],
  ['GET /console/topics', '/console/topics', 303],
  ['GET /console/history', '/console/history', 303],
  ['GET /console/keys', '/console/keys', 303],
  ['POST /console/keys', '/console/keys', 303],
  ['GET /console/keys/:prefix', '/console/keys/emq_000000000000', 303],
  ['POST /console/keys/:prefix/revoke', '/console/keys/emq_000000000000/revoke', 303],
  ['GET /console/records', '/console/records', 303],
];

const consoleRules: readonly Rule[] = CONSOLE.map(([route, path, status]) => ({
  route,
  path,
  ...(route.startsWith('POST') ? { body: REASON } : {}),
  answers: { foreign: status, viewer: status, own: status, operator: status },
  nobody: status,
}));

/** Pages of the plug-in that shows the document: whatever they are, they are a viewer's. */
const pageRule = (route: string): Rule => {
  const seen = [200, 302, 404];
  return {
    route,
    path: route.slice(route.indexOf(' ') + 1).replace('*', 'swagger-ui.css'),
    answers: { foreign: 403, viewer: seen, own: 403, operator: seen },
  };
};

/** The rules of every route, and the routes that have none. HEAD is as GET. */
export const rulesFor = (routes: readonly string[], spareKey: string): { rules: Rule[]; unruled: string[] } => {
  const written = [...rulesWith(spareKey), ...consoleRules];
  const rules: Rule[] = [];
  const unruled: string[] = [];
  for (const route of routes) {
    const [method, url] = route.split(' ') as [string, string];
    const asked = method === 'HEAD' ? `GET ${url}` : route;
    const found = url.startsWith('/docs') ? [pageRule(route)] : written.filter(rule => rule.route === asked);
    if (found.length === 0) unruled.push(route);
    rules.push(...found.map(rule => ({ ...rule, route })));
  }
  return { rules, unruled };
};

/** The OpenAPI document: valid, complete, and true: answers fit what it says. */
import { Validator } from '@seriousme/openapi-schema-validator';
import t from 'tap';
import type { TSchema } from 'typebox';
import Schema from 'typebox/schema';
import { createGate } from '../../broker/api/gate.ts';
import { startServer, type TestServer, transaction } from '../support/http-server.ts';

/** The contract's section 3. */
const ROUTES = [
  'PUT /v1/producer-groups/{group}',
  'GET /v1/producer-groups/{group}',
  'GET /v1/producer-groups',
  'POST /v1/producer-groups/{group}/test',
  'POST /v1/transactions',
  'POST /v1/transactions/{id}/commit',
  'POST /v1/transactions/{id}/rollback',
  'POST /v1/batch',
  'GET /v1/transactions/{id}',
  'GET /v1/transactions',
  'POST /v1/transactions/{id}/check',
  'POST /v1/messages/{messageId}/retry',
  'POST /v1/messages/{messageId}/discard',
  'GET /v1/topics',
  'GET /v1/messages',
  'GET /v1/attention',
  'POST /v1/backup',
  'GET /v1/acts',
  'GET /v1/status',
  'POST /v1/keys',
  'GET /v1/keys',
  'DELETE /v1/keys/{prefix}',
  'GET /v1/memory/records',
  'GET /livez',
  'GET /readyz',
  'GET /metrics',
  'GET /openapi.json',
];

interface Operation {
  summary?: string;
  operationId?: string;
  requestBody?: {
    required: boolean;
    content: Record<string, { schema: TSchema; examples?: object; example?: object }>;
  };
  responses: Record<string, { description: string; content?: Record<string, { schema: TSchema }> }>;
}

interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, TSchema> };
}

const documentOf = async (s: TestServer): Promise<Document> => (await s.call('GET', '/openapi.json')).json();

const operationsOf = ({ paths }: Document): [name: string, operation: Operation][] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );

/** Checks a value against a schema of the document, with its components at hand. */
const fits = (document: Document, schema: TSchema, value: unknown): boolean =>
  Schema.Compile({ ...schema, components: document.components } as unknown as TSchema).Check(value);

t.test('valid OpenAPI 3.1', async t => {
  const s = await startServer(t);
  const document = await documentOf(s);
  const { valid, errors } = await new Validator().validate(document as unknown as Record<string, unknown>);
  t.equal(valid, true, JSON.stringify(errors));
  t.match(document.openapi, /^3\.1\./);
  t.same((await s.call('GET', '/docs/json')).json(), document, 'the page shows the same');
});

t.test('has the routes of the contract, and no other', async t => {
  const s = await startServer(t);
  const names = operationsOf(await documentOf(s)).map(([name]) => name);
  t.same(names.sort(), [...ROUTES].sort());
});

t.test('every operation is told in full', async t => {
  const s = await startServer(t);
  const document = await documentOf(s);
  const operations = operationsOf(document);
  for (const [name, { summary, responses, requestBody }] of operations) {
    t.ok(summary, `${name}: summary`);
    t.ok(
      Object.keys(responses).some(status => status.startsWith('2')),
      `${name}: success`,
    );
    const always = ['400', '405', '408', '429', '431', '500'];
    const expected = requestBody ? [...always, '413', '415'] : always;
    if (name.includes('/v1/')) expected.push('401', '403', '503');
    for (const status of expected) t.ok(responses[status], `${name}: ${status}`);
    for (const [status, { content, description }] of Object.entries(responses)) {
      t.ok(description, `${name} ${status}: description`);
      if (Number(status) >= 400)
        t.ok(content?.['application/problem+json'] ?? name === 'GET /readyz', `${name} ${status}`);
    }
    const media = requestBody?.content['application/json'];
    for (const example of Object.values(media?.examples ?? {})) {
      t.ok(fits(document, media!.schema, example.value), `${name}: its example fits`);
    }
  }
  const ids = operations.map(([, { operationId }]) => operationId);
  t.equal(new Set(ids).size, operations.length, 'operation ids are unique');
  const { paths } = document;
  t.ok(paths['/v1/transactions']?.post?.requestBody?.content['application/json']?.examples, 'prepare has examples');
  t.equal(paths['/v1/transactions']?.post?.requestBody?.required, true);
  t.equal(paths['/v1/transactions/{id}/commit']?.post?.requestBody?.required, false, 'a commit may go without a body');
  t.equal(paths['/v1/transactions/{id}/check']?.post?.requestBody?.required, true);
});

t.test('request schemas refuse what the broker refuses', async t => {
  const s = await startServer(t);
  const document = await documentOf(s);
  const { PrepareInput } = document.components.schemas;
  const fit = (message: object) => fits(document, PrepareInput!, transaction('t1', message));
  t.ok(fit({ headers: { a: 'x', ce_tenant: { base64: 'AAEC/w==' } } }));
  t.notOk(fit({ headers: { 'Content-Type': 'x' } }));
  t.notOk(fit({ payload: { base64: 'AAEC/x==' } }), 'base64 that is not canonical');
  t.notOk(fit({ payload: { base64: 'AAEC/w' } }));
  t.notOk(fit({ topic: '..' }));
  t.notOk(fit({ more: 1 }));
});

t.test('answers fit their schemas', async t => {
  const s = await startServer(t);
  const document = await documentOf(s);
  const check = (name: string, answer: Awaited<ReturnType<TestServer['call']>>) => {
    const [method = '', path = ''] = name.split(' ');
    const { content } = document.paths[path]![method.toLowerCase()]!.responses[answer.statusCode] ?? {};
    const type = String(answer.headers['content-type']).split(';')[0]!;
    t.ok(content?.[type], `${name} ${answer.statusCode} ${type} is told`);
    if (type.endsWith('json')) t.ok(fits(document, content![type]!.schema, answer.json()), `${name} ${answer.body}`);
  };
  const REASON = { reason: 'x' };
  check('PUT /v1/producer-groups/{group}', await s.call('PUT', '/v1/producer-groups/g', {}));
  check('PUT /v1/producer-groups/{group}', await s.call('PUT', '/v1/producer-groups/g', { topics: ['*'] }));
  check(
    'PUT /v1/producer-groups/{group}',
    await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://forbidden' }),
  );
  check('GET /v1/producer-groups/{group}', await s.call('GET', '/v1/producer-groups/g'));
  check('GET /v1/producer-groups/{group}', await s.call('GET', '/v1/producer-groups/h'));
  check('GET /v1/producer-groups', await s.call('GET', '/v1/producer-groups'));
  check('POST /v1/producer-groups/{group}/test', await s.call('POST', '/v1/producer-groups/g/test'));
  const body = transaction('t1', { headers: { a: { base64: '/w==' } }, key: { base64: '/w==' } });
  check('POST /v1/transactions', await s.call('POST', '/v1/transactions', body));
  check('POST /v1/transactions', await s.call('POST', '/v1/transactions', body));
  check('POST /v1/transactions', await s.call('POST', '/v1/transactions', transaction('t1')));
  check('POST /v1/transactions', await s.call('POST', '/v1/transactions', { id: 5 }));
  check('POST /v1/transactions/{id}/check', await s.call('POST', '/v1/transactions/t1/check', REASON));
  await s.call('PUT', '/v1/producer-groups/g', { checkUrl: 'http://127.0.0.1:9/' });
  check('POST /v1/producer-groups/{group}/test', await s.call('POST', '/v1/producer-groups/g/test'));
  check('POST /v1/transactions/{id}/check', await s.call('POST', '/v1/transactions/t1/check', REASON));
  check('POST /v1/transactions/{id}/commit', await s.call('POST', '/v1/transactions/t1/commit'));
  check('POST /v1/transactions/{id}/rollback', await s.call('POST', '/v1/transactions/t1/rollback'));
  check('GET /v1/transactions/{id}', await s.call('GET', '/v1/transactions/t1?payload=true'));
  check('GET /v1/transactions/{id}', await s.call('GET', '/v1/transactions/nobody'));
  check('GET /v1/transactions', await s.call('GET', '/v1/transactions'));
  await s.park('t2');
  await s.park('t3');
  check('GET /v1/messages', await s.call('GET', '/v1/messages?state=parked'));
  check('GET /v1/attention', await s.call('GET', '/v1/attention'));
  check('POST /v1/messages/{messageId}/retry', await s.call('POST', '/v1/messages/t2.0/retry', REASON));
  check('POST /v1/messages/{messageId}/discard', await s.call('POST', '/v1/messages/t3.0/discard', REASON));
  check('POST /v1/messages/{messageId}/discard', await s.call('POST', '/v1/messages/t3.0/discard', REASON));
  const operations = [{ op: 'commit', id: 't1' }, { op: 'prepare', ...transaction('t4') }, {}];
  check('POST /v1/batch', await s.call('POST', '/v1/batch', { operations }));
  check('POST /v1/batch', await s.call('POST', '/v1/batch', {}));
  check('GET /v1/topics', await s.call('GET', '/v1/topics'));
  check('POST /v1/backup', await s.call('POST', '/v1/backup', REASON));
  check('POST /v1/backup', await s.call('POST', '/v1/backup', {}));
  check('GET /v1/acts', await s.call('GET', '/v1/acts'));
  check('GET /v1/status', await s.call('GET', '/v1/status'));
  check('GET /v1/memory/records', await s.call('GET', '/v1/memory/records'));
  // Closes the broker: the last calls are made with the key.
  const made = await s.call('POST', '/v1/keys', { role: 'operator', reason: 'x' });
  check('POST /v1/keys', made);
  const headers = { authorization: `Bearer ${made.json().key}` };
  const call = (method: string, url: string, body?: object) => s.call(method, url, body, headers);
  const producer = { role: 'producer', group: 'g', expiresAt: '2027-11-21T10:00:00Z' };
  const { prefix } = (await call('POST', '/v1/keys', producer)).json();
  for (let i = 0; i < 2; i++) check('POST /v1/keys', await call('POST', '/v1/keys', producer));
  check('GET /v1/keys', await s.call('GET', '/v1/keys'));
  check('GET /v1/keys', await call('GET', '/v1/keys'));
  const revoked = await call('DELETE', `/v1/keys/${prefix}`, { reason: 'x' });
  t.equal(revoked.statusCode, 204);
  t.notOk(document.paths['/v1/keys/{prefix}']!.delete!.responses[204]!.content, 'it has no body');
  check('DELETE /v1/keys/{prefix}', await call('DELETE', '/v1/keys/emq_000000000000'));
  for (const path of ['/livez', '/readyz', '/metrics', '/openapi.json']) check(`GET ${path}`, await call('GET', path));
});

t.test('a route that names no right fails at start', async t => {
  const gate = createGate({
    operatorKey: null,
    keys: { key: () => undefined, keys: () => new Map() },
    clock: { now: () => 0 },
    accepting: () => true,
  });
  const forgotten = { method: 'GET', url: '/forgotten', handler: () => '' } as const;
  t.throws(() => gate.before(forgotten), { message: 'GET /forgotten does not say which right it asks for' });
  t.ok(gate.before({ ...forgotten, config: { right: 'public' } }));
});

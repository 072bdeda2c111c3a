/** Calls and their answers as the page shows them: from the HTTP interface itself, on a clock that stands still. */
import { startServer, type TestServer } from '../../test/support/http-server.ts';
import type { Scope } from '../../test/support/store.ts';
import type { Document } from './document.ts';

export interface Sample {
  /** `POST /v1/transactions` with what stands in the place of its parameters. */
  request: string;
  body?: unknown;
  status: number;
  /** Undefined where the answer has none, or one that is not JSON. */
  answer: unknown;
}

const TRANSFER = {
  id: 'transfer-42',
  group: 'bank-a',
  messages: [
    {
      ...{ topic: 'transfers', key: 'account-17', payload: '{"amount":100}' },
      ...{ headers: { tenant: 'de' }, contentType: 'application/json', type: 'transfer.made' },
    },
  ],
};
const GROUP = { checkUrl: 'http://127.0.0.1:8081/escrow/check', check: { afterMs: 6000 }, topics: ['transfers'] };
const REASON = { reason: 'asked the owner of account 17' };

/** Operations that are tried in this order; a transaction or message that it names is there by then. */
const STORY: [operationId: string, address: string, body?: unknown][] = [
  ['putProducerGroup', '/v1/producer-groups/bank-a', GROUP],
  ['getProducerGroup', '/v1/producer-groups/bank-a'],
  ['testProducerGroup', '/v1/producer-groups/bank-a/test'],
  ['prepare', '/v1/transactions', TRANSFER],
  ['check', '/v1/transactions/transfer-42/check', REASON],
  ['commit', '/v1/transactions/transfer-42/commit'],
  ['rollback', '/v1/transactions/transfer-43/rollback'],
  ['getTransaction', '/v1/transactions/transfer-42'],
  ['listTransactions', '/v1/transactions?group=bank-a&limit=1'],
  [
    'batch',
    '/v1/batch',
    {
      operations: [
        { op: 'prepare', ...TRANSFER, id: 'transfer-44' },
        { op: 'commit', id: 'transfer-42' },
        { op: 'rollback', id: 'transfer-99' },
      ],
    },
  ],
  ['listMessages', '/v1/messages?state=parked'],
  ['retry', '/v1/messages/transfer-45.0/retry', REASON],
  ['discard', '/v1/messages/transfer-46.0/discard', REASON],
  ['backup', '/v1/backup', { reason: 'nightly' }],
  ['listRecords', '/v1/memory/records?topic=transfers&after=0'],
  ['createKey', '/v1/keys', { role: 'operator', reason: 'first key' }],
];
/** With the key that was made: a broker that has one is closed. `{prefix}` stands for that key. */
const WITH_KEY: typeof STORY = [
  ['listKeys', '/v1/keys'],
  ['revokeKey', '/v1/keys/{prefix}', { reason: 'replaced' }],
];

const RECORD = {
  ...{ position: 1, topic: 'transfers', partition: 2, offset: 0, timestamp: Date.UTC(2026, 10, 21, 10) },
  ...{ key: Buffer.from('account-17'), value: Buffer.from('{"amount":100}') },
  headers: [['tenant', Buffer.from('de')] as const, ['ce_id', Buffer.from('transfer-42.0')] as const],
};

const KEY_PREFIX_LENGTH = 'emq_0123456789ab'.length;
/** From one call to the next. */
const STEP_MS = 125;

/** Of a disk, as an example. */
const SIZES: Record<string, number> = { freeBytes: 83_000_000_000, databaseBytes: 81_920, walBytes: 494_432 };

/** What is different each time. */
const steady = (text: string): string =>
  text
    .replaceAll(/"(freeBytes|databaseBytes|walBytes)":\d+/g, (_, name) => `"${name}":${SIZES[name]}`)
    .replaceAll(/emq_[0-9a-f]{12}_[A-Za-z0-9_-]{43}/g, 'emq_0123456789ab_…')
    .replaceAll(/emq_[0-9a-f]{12}(?!_)/g, 'emq_0123456789ab');

const prepareScene = async (s: TestServer): Promise<void> => {
  await s.createGroup('bank-a');
  await s.coordinator.submit([{ type: 'topic_seen', topic: 'transfers', partitions: 3 }]);
  await s.prepare('transfer-43', { group: 'bank-a' });
  for (const id of ['transfer-45', 'transfer-46']) {
    await s.prepare(id, { group: 'bank-a' });
    await s.call('POST', `/v1/transactions/${id}/commit`);
    await s.coordinator.submit([{ type: 'park', transactionId: id, index: 0, error: 'The message is too large.' }]);
  }
};

export interface Samples {
  readonly document: Document;
  /** By operation id. */
  readonly samples: ReadonlyMap<string, Sample>;
}

export const takeSamples = async (scope: Scope): Promise<Samples> => {
  const s = await startServer(scope, { memory: { records: () => [RECORD] } });
  const document: Document = (await s.call('GET', '/openapi.json')).json();
  const methods = new Map<string, string>();
  for (const ways of Object.values(document.paths)) {
    for (const [method, { operationId }] of Object.entries(ways)) methods.set(operationId, method.toUpperCase());
  }
  const samples = new Map<string, Sample>();
  const take = async ([id, place, body]: (typeof STORY)[number], key = ''): Promise<string> => {
    const address = place.replace('{prefix}', key.slice(0, KEY_PREFIX_LENGTH));
    const headers = key === '' ? {} : { authorization: `Bearer ${key}` };
    s.time.now += STEP_MS;
    const method = methods.get(id)!;
    const { statusCode: status, body: text, headers: told } = await s.call(method, address, body, headers);
    const isJson = /^application\/json/.test(String(told['content-type']));
    const answer = isJson ? JSON.parse(steady(text)) : undefined;
    samples.set(id, {
      request: `${method} ${steady(address)}`,
      ...(body === undefined ? {} : { body }),
      status,
      answer,
    });
    return text;
  };
  await prepareScene(s);
  for (const step of STORY.slice(0, -1)) {
    await take(step);
    if (step[0] === 'commit') {
      await s.coordinator.submit([{ type: 'forwarded', transactionId: TRANSFER.id, index: 0, offset: 0 }]);
    }
  }
  // What can be read without saying which needs no place in the story.
  for (const [path, ways] of Object.entries(document.paths)) {
    const id = ways.get?.operationId;
    const isKnown = id === undefined || samples.has(id) || WITH_KEY.some(([later]) => later === id);
    if (!isKnown && path !== '/openapi.json' && !path.includes('{')) await take([id, path]);
  }
  const { key } = JSON.parse(await take(STORY.at(-1)!));
  for (const step of WITH_KEY) await take(step, key);
  return { document, samples };
};

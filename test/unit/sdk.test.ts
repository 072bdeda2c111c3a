import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import t from 'tap';
import { signatureHeaders } from '../../broker/protocol/signature.ts';
import { readRecord } from '../../consumer-sdk/index.ts';
import { TIMESTAMP_TOLERANCE_MS, verifySignature } from '../../producer-sdk/index.ts';

const secretOf = (bytes: number): string => `whsec_${randomBytes(bytes).toString('base64')}`;
const body = '{"group":"bank-a","checks":[]}';

t.test('signatures are those of Standard Webhooks, both ways', async t => {
  const secret = secretOf(32);
  const now = Date.now();
  const ours = signatureHeaders([secret], 'msg_1', now, body);
  t.same(new Webhook(secret).verify(body, ours), JSON.parse(body));
  const signature = new Webhook(secret).sign('msg_2', new Date(now), body);
  const theirs = {
    'webhook-id': 'msg_2',
    'webhook-timestamp': String(Math.floor(now / 1000)),
    'webhook-signature': signature,
  };
  t.ok(verifySignature(secret, theirs, body, now));
  t.ok(verifySignature(secret, theirs, Buffer.from(body), now));
});

t.test('two secrets sign side by side', async t => {
  const [old, fresh] = [secretOf(24), secretOf(64)];
  const headers = signatureHeaders([fresh, old], 'msg_1', 5_000, body);
  t.ok(verifySignature(old, headers, body, 5_000));
  t.ok(verifySignature(fresh, headers, body, 5_000));
  t.notOk(verifySignature(secretOf(24), headers, body, 5_000));
});

t.test('whatever is not signed like that is refused', async t => {
  const secret = secretOf(32);
  const now = 1_800_000_000_000;
  const headers = signatureHeaders([secret], 'msg_1', now, body);
  t.ok(verifySignature(secret, headers, body, now + TIMESTAMP_TOLERANCE_MS - 1_000));
  t.notOk(verifySignature(secret, headers, body, now + TIMESTAMP_TOLERANCE_MS + 1_000), 'too old');
  t.notOk(verifySignature(secret, headers, `${body} `, now), 'other bytes');
  const wrong: Record<string, string>[] = [
    { 'webhook-id': 'msg_2' },
    { 'webhook-timestamp': '1' },
    { 'webhook-timestamp': 'NaN' },
    { 'webhook-signature': '' },
    { 'webhook-signature': headers['webhook-signature']!.replace('v1,', 'v2,') },
    { 'webhook-signature': `${headers['webhook-signature']!.slice(0, -8)}AAAAAAA=` },
  ];
  for (const change of wrong)
    t.notOk(verifySignature(secret, { ...headers, ...change }, body, now), JSON.stringify(change));
  t.notOk(verifySignature(secret, {}, body, now));
  t.notOk(verifySignature('whsec_c2hvcnQ=', headers, body, now), 'a secret that is too short');
});

t.test('a record says who it is', async t => {
  const headers = {
    ce_specversion: Buffer.from('1.0'),
    ce_id: Buffer.from('t1.0'),
    ce_source: Buffer.from('/escrowmq/producer-groups/bank-a'),
    ce_type: Buffer.from('transfer.made'),
    ce_time: Buffer.from('2026-11-21T10:00:00.000Z'),
    'content-type': Buffer.from('application/json'),
  };
  t.same(readRecord(headers), {
    source: '/escrowmq/producer-groups/bank-a',
    id: 't1.0',
    type: 'transfer.made',
    time: '2026-11-21T10:00:00.000Z',
    contentType: 'application/json',
  });
  t.match(readRecord({ ...headers, ce_id: 't1.1' }), { id: 't1.1' });
  t.equal(readRecord(undefined), null);
  for (const name of Object.keys(headers)) t.equal(readRecord({ ...headers, [name]: undefined }), null, name);
  t.equal(readRecord({ ...headers, ce_id: [Buffer.from('a'), Buffer.from('b')] }), null, 'twice');
});

/** What a user does with the packed SDKs, from prepare to the record, on the Node that runs this. Ends with the line `done`. */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka } from 'kafkajs';

// The driver's builds need Node-API 10; Node 20 has 9.
const Database = Number(process.versions.napi) >= 10 ? (await import('better-sqlite3')).default : null;

const message = key => ({ topic: 'orders', key, payload: JSON.stringify({ key }), contentType: 'application/json' });

/** The record's headers, once it can be read: forwarding happens behind the commit. */
const forwarded = async (url, id) => {
  for (;;) {
    const response = await fetch(`${url}/v1/memory/records?topic=orders`);
    const { items } = await response.json();
    const record = items.find(({ headers }) => headers.ce_id === `${id}.0`);
    if (record !== undefined) return record.headers;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
};

const signed = (secret, body) => {
  const id = `msg_${randomBytes(8).toString('hex')}`;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const hash = createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64'));
  const signature = hash.update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
};

const useClient = async ({ createClient, NotFoundError, EscrowError }, url) => {
  const client = createClient({ url, group: 'by-hand' });
  await client.putGroup('by-hand', {});
  const { id, state } = await client.prepare({ messages: [message('client')] });
  assert.equal(state, 'prepared');
  assert.equal((await client.commit(id)).state, 'committed');
  const missing = await client.commit('nobody').catch(error => error);
  assert(missing instanceof NotFoundError && missing instanceof EscrowError);
  assert.equal(missing.code, 'TRANSACTION_NOT_FOUND');
  await client.close();
  return id;
};

/** Without an SQL database: the author's own function says what became of a transaction. */
const useWrittenCheck = async ({ createProducer, verifySignature }, url) => {
  const checkSecret = `whsec_${randomBytes(32).toString('base64')}`;
  const group = 'written-check';
  const committed = new Set();
  const check = id => (committed.has(id) ? 'commit' : 'unknown');
  const producer = createProducer({ url, group, checkSecret, check });
  const { id, value, delivery } = await producer.transaction({ messages: [message('written')] }, (_, context) => {
    committed.add(context.id);
    return 7;
  });
  assert.deepEqual([value, delivery], [7, 'acknowledged']);

  const body = JSON.stringify({ group, checks: [{ transactionId: id, attempt: 1, preparedAt: new Date() }] });
  const headers = signed(checkSecret, body);
  assert(verifySignature(checkSecret, headers, body, Date.now()));
  assert(!verifySignature(checkSecret, headers, `${body} `, Date.now()));
  const ask = sent =>
    producer.checkHandler()(new Request('http://shop/check', { method: 'POST', body, headers: sent }));
  const answer = await ask(headers);
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { group, resolutions: [{ transactionId: id, resolution: 'commit' }] });
  assert.equal((await ask({ ...headers, 'webhook-id': 'another' })).status, 401);
  await producer.close();
  return id;
};

/** With the fence, the broker asks about a transaction that was prepared and never begun, and the fence refuses it for ever. */
const useFence = async ({ createProducer, betterSqlite3Fence, IdSpentError }, url, folder) => {
  const db = new Database(join(folder, 'shop.db'));
  db.exec('create table orders (id text primary key) strict');
  const fence = betterSqlite3Fence(db);
  await fence.install();
  const server = createServer((request, response) => producer.checkHandler()(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const checkUrl = `http://127.0.0.1:${server.address().port}/check`;
  const producer = createProducer({ url, group: 'fenced', fence, checkUrl, check: { afterMs: 100, intervalMs: 100 } });
  const business = tx => tx.prepare('insert into orders values (?)').run('o-1').changes;
  const { id, value, delivery } = await producer.transaction({ messages: [message('fenced')] }, business);
  assert.deepEqual([value, delivery], [1, 'acknowledged']);

  const messages = [message('forgotten')];
  const forgotten = await producer.prepare({ messages });
  while ((await producer.client.transaction(forgotten.id)).state === 'prepared') {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  const late = await producer.transaction({ id: forgotten.id, messages }, business).catch(error => error);
  assert(late instanceof IdSpentError, late);
  assert.equal(db.prepare('select count(*) from orders').pluck().get(), 1);
  await producer.close();
  server.close();
  server.closeAllConnections();
  db.close();
  return id;
};

const readRecord = async (consumer, url, id, group) => {
  const record = consumer.readRecord(await forwarded(url, id));
  const found = [record.source, record.id, record.type];
  assert.deepEqual(found, [`/escrowmq/producer-groups/${group}`, `${id}.0`, 'orders']);
};

/** As far as it goes without a Kafka: what is wrong is said at once, what is away is waited for, and it ends cleanly. */
const useConsumer = async ({ createConsumer, betterSqlite3Inbox, pgInbox, InvalidOptionError }, folder) => {
  const kafka = new Kafka({ brokers: ['127.0.0.1:9'], logLevel: 0 });
  const away = { connect: () => Promise.reject(new Error('the database is away')) };
  const db = Database === null ? null : new Database(join(folder, 'inbox.db'));
  const inbox = db === null ? pgInbox(away) : betterSqlite3Inbox(db);
  if (db !== null) {
    await inbox.install();
    assert.equal(await inbox.purge(), 0);
  }
  const settings = { kafka, groupId: 'bank-b', inbox };
  assert.throws(() => createConsumer({ ...settings, topics: [] }), InvalidOptionError);
  const consumer = createConsumer({ ...settings, topics: ['orders'] });
  const running = consumer.run(() => {});
  assert.equal(consumer.health().status, 'starting');
  await consumer.close();
  await running;
  assert.equal(consumer.health().status, 'stopped');
  db?.close();
};

export const play = async ({ producer, consumer, url }) => {
  const folder = mkdtempSync(join(tmpdir(), 'escrowmq-story-'));
  const used = ['a client', 'a producer with a check function'];
  await readRecord(consumer, url, await useClient(producer, url), 'by-hand');
  await readRecord(consumer, url, await useWrittenCheck(producer, url), 'written-check');
  if (Database !== null) {
    await readRecord(consumer, url, await useFence(producer, url, folder), 'fenced');
    used.push('a producer with a fence');
  }
  await useConsumer(consumer, folder);
  used.push('a consumer');
  rmSync(folder, { recursive: true, force: true });
  // Both ways of loading give the same classes, so `instanceof` works across a program that mixes them.
  assert.equal((await import('@escrowmq/producer')).EscrowError, producer.EscrowError);
  console.log(`Node ${process.versions.node}: ${used.join(', ')}`);
  console.log('done');
};

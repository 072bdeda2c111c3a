/** Whether the image is what it should be: it is started, used, looked at and stopped. Throws at the first thing that is not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Container, Engine } from './engine.ts';

const OPERATOR_KEY = 'an-operator-key-that-only-this-test-knows';
const LISTENS_WITHIN_MS = 60_000;
const STOPS_WITHIN_MS = 10_000;
const USER = 1000;

/** Sentences, one for each thing that was looked at. */
export const smokeTest = async (engine: Engine, tag: string): Promise<string[]> => {
  const started = performance.now();
  const container = await engine.start(tag, { ESCROWMQ_PUBLISHER: 'memory', ESCROWMQ_OPERATOR_KEY: OPERATOR_KEY });
  try {
    await listening(container);
    const seen = [`listens ${Math.round(performance.now() - started)} ms after its start`];
    const user = await container.user();
    assert.equal(user, USER, 'it runs as a user without rights');
    seen.push(`runs as user ${user}`);
    await container.execute(await engine.healthCheck(tag));
    seen.push('its health check is content');
    seen.push(...(await useIt(container.url)), await stopIt(container));
    return seen;
  } finally {
    // Where it has ended already there is nothing to kill.
    await container.signal('SIGKILL').catch(() => undefined);
    await container.remove();
  }
};

const listening = async (container: Container): Promise<void> => {
  const { child } = container;
  const overdue = setTimeout(() => void container.signal('SIGKILL').catch(() => undefined), LISTENS_WITHIN_MS);
  for await (const line of createInterface({ input: child.stdout! })) {
    if (!line.startsWith('{') || (JSON.parse(line) as { event?: string }).event !== 'listening') continue;
    clearTimeout(overdue);
    // Nobody reads its log any more; a full pipe would hold it up.
    child.stdout!.resume();
    return;
  }
  throw new Error('The container did not listen.');
};

const useIt = async (url: string): Promise<string[]> => {
  const call = async (method: string, path: string, body?: object, key: string | null = OPERATOR_KEY) => {
    const headers = { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
    return fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  };
  const expect = async (status: number, answer: Promise<Response>): Promise<Response> => {
    const response = await answer;
    assert.equal(response.status, status, `${response.url}: ${await response.clone().text()}`);
    return response;
  };
  await expect(401, call('GET', '/metrics', undefined, null));
  await expect(201, call('PUT', '/v1/producer-groups/image', {}));
  const messages = [{ topic: 'transfers', key: 'bob', payload: 'from an image' }];
  await expect(201, call('POST', '/v1/transactions', { id: 'image-1', group: 'image', messages }));
  await expect(200, call('POST', '/v1/transactions/image-1/commit', { reason: 'the image is tried out' }));
  const record = await firstRecord(async () => (await expect(200, call('GET', '/v1/memory/records'))).json());
  assert.deepEqual([record.topic, record.key, record.payload], ['transfers', 'bob', 'from an image']);
  const figures = await (await expect(200, call('GET', '/metrics'))).text();
  assert.match(figures, /^escrowmq_build_info\{[^}]*publisher="memory"\} 1$/m);
  await expect(200, call('GET', '/docs'));
  return [
    'without a key it answers 401',
    'a prepared and committed message is a record',
    '/metrics and /docs answer',
    await openConsole(url),
  ];
};

interface MemoryRecord {
  topic: string;
  key: unknown;
  payload: unknown;
}

const firstRecord = async (look: () => Promise<unknown>): Promise<MemoryRecord> => {
  for (const end = performance.now() + LISTENS_WITHIN_MS; performance.now() < end; ) {
    const { items } = (await look()) as { items: MemoryRecord[] };
    if (items.length > 0) return items[0]!;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error('The committed message is no record.');
};

/** The page, and every file that it names. */
const openConsole = async (url: string): Promise<string> => {
  const page = await fetch(`${url}/console`);
  const html = await page.text();
  assert.equal(page.status, 200, html);
  const files = [...html.matchAll(/(?:src|href)="(\/console\/files\/[^"]+)"/g)].map(([, path]) => path!);
  assert.ok(files.length >= 2, 'the console names its style and its script');
  for (const file of new Set(files)) assert.equal((await fetch(`${url}${file}`)).status, 200, file);
  return `/console opens with its ${new Set(files).size} files`;
};

const stopIt = async (container: Container): Promise<string> => {
  const ended = once(container.child, 'exit') as Promise<[number | null]>;
  const asked = performance.now();
  await container.signal('SIGTERM');
  const overdue = setTimeout(() => void container.signal('SIGKILL').catch(() => undefined), STOPS_WITHIN_MS);
  const [code] = await ended;
  clearTimeout(overdue);
  assert.equal(code, 0, 'SIGTERM ends it with exit code 0');
  return `SIGTERM ends it with exit code 0 after ${Math.round(performance.now() - asked)} ms`;
};

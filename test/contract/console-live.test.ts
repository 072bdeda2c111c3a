/** The live parts of the console: figures as they change, for as long as somebody looks and the broker runs. */
import t, { type Test } from 'tap';
import type { StatusBody } from '../../broker/protocol/wire.ts';
import { type ConsoleServer, type ConsoleVisitor, startConsole } from '../support/console-visitor.ts';
import { storeWith } from '../support/store.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';
const asOperator = { authorization: `Bearer ${KEY}` };

interface Live {
  readonly status: number;
  readonly headers: Headers;
  /** Resolves with the data of the next event of this name; rejects where the stream ends before. */
  next(event: string): Promise<string>;
  /** Resolves with the names of all events that came until the end. */
  end(): Promise<string[]>;
  leave(): Promise<void>;
}

const look = async (t: Test, { url, cookie }: ConsoleVisitor): Promise<Live> => {
  const leaving = new AbortController();
  const headers: Record<string, string> = { accept: 'text/event-stream', ...(cookie === null ? {} : { cookie }) };
  const response = await fetch(`${url}/console/live`, { headers, signal: leaving.signal, redirect: 'manual' });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  t.teardown(() => leaving.abort());
  const names: string[] = [];
  let text = '';
  const one = async (): Promise<{ event: string; data: string } | null> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const part = (name: string): string[] =>
          lines.filter(line => line.startsWith(name)).map(line => line.slice(name.length));
        const [event] = part('event: ');
        if (event === undefined) continue;
        names.push(event);
        return { event, data: part('data: ').join('\n') };
      }
      const { done, value } = await reader.read();
      if (done) return null;
      text += value;
    }
  };
  const next = async (wanted: string): Promise<string> => {
    for (;;) {
      const found = await one();
      if (found === null) throw new Error(`the stream ended before ${wanted}`);
      if (found.event === wanted) return found.data;
    }
  };
  const end = async (): Promise<string[]> => {
    while ((await one()) !== null);
    return names;
  };
  return {
    status: response.status,
    headers: response.headers,
    next,
    end,
    leave: async () => {
      await reader.cancel().catch(() => undefined);
      leaving.abort();
    },
  };
};

/** Counts how often the status was asked for: each of them asks for the oldest of each kind. */
const counting = async (t: Test): Promise<{ s: ConsoleServer; asked: () => number }> => {
  let count = 0;
  const s = await startConsole(t, ({ store }) => ({
    store: storeWith(store, {
      space: () => {
        count++;
        return store.space();
      },
    }),
  }));
  await s.createGroup('g');
  return { s, asked: () => count };
};

t.test('what changes comes by itself, asked for once for all who look', async t => {
  const { s, asked } = await counting(t);
  const [first, second] = [await look(t, s.visitor()), await look(t, s.visitor())];
  t.equal(first.status, 200);
  t.match(first.headers.get('content-type'), /^text\/event-stream/);
  t.equal(first.headers.get('cache-control'), 'no-store');
  t.equal(await first.next('prepared'), '0');
  t.equal(await second.next('prepared'), '0');
  const before = asked();
  await s.prepare('t1');
  t.equal(await first.next('prepared'), '1');
  t.equal(await second.next('prepared'), '1');
  t.ok(asked() - before <= 3, `${asked() - before} times for two who look`);
  t.match(await first.next('preparedRate'), /^\d/);
  await Promise.all([first.leave(), second.leave()]);
  t.same(s.errors, []);
});

t.test('a stream ends with the broker', async t => {
  const { s } = await counting(t);
  const live = await look(t, s.visitor());
  await live.next('prepared');
  const ended = live.end();
  await s.app.close();
  t.ok(await ended, 'the end came, and the server closed');
});

t.test('a revoked key ends the stream for good', async t => {
  const s = await startConsole(t, { operatorKey: KEY });
  const { prefix, key } = (await s.call('POST', '/v1/keys', { role: 'viewer' }, asOperator)).json<{
    prefix: string;
    key: string;
  }>();
  const visitor = s.visitor();
  await visitor.login(key);
  const live = await look(t, visitor);
  await live.next('prepared');
  await s.call('DELETE', `/v1/keys/${prefix}`, undefined, asOperator);
  t.equal((await live.end()).at(-1), 'over', 'the page is told not to come again');
  t.same(await (await look(t, visitor)).end(), ['over'], 'and where it does, it is told again');
});

t.test('there are so many at once', async t => {
  const { s } = await counting(t);
  const streams = await Promise.all(Array.from({ length: 101 }, () => look(t, s.visitor())));
  t.same(
    streams.map(({ status }) => status).filter(status => status !== 200),
    [503],
  );
  const [open] = streams.filter(({ status }) => status === 200);
  await open!.next('prepared');
  t.equal((await s.call('GET', '/v1/status')).json<StatusBody>().status, 'ok');
  await Promise.all(streams.map(stream => stream.leave()));
});

t.test('who looks with many pages leaves room for others', async t => {
  const s = await startConsole(t, { operatorKey: KEY });
  const made = await s.call('POST', '/v1/keys', { role: 'viewer', reason: 'x' }, asOperator);
  const visitors = [s.visitor(), s.visitor(), s.visitor()];
  await visitors[0]!.login(made.json<{ key: string }>().key);
  await visitors[1]!.login(made.json<{ key: string }>().key);
  await visitors[2]!.login(KEY);
  const streams = await Promise.all(Array.from({ length: 120 }, (_, i) => look(t, visitors[i % 2]!)));
  t.equal(streams.filter(({ status }) => status === 200).length, 25);
  const other = await look(t, visitors[2]!);
  t.equal(other.status, 200);
  await Promise.all([...streams, other].map(stream => stream.leave()));
});

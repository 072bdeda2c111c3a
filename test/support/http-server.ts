/** The HTTP interface on a real store and coordinator, with doubles for Kafka and the producer groups. */
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { Test } from 'tap';
import { Metrics } from '../../broker/api/metrics.ts';
import { buildServer } from '../../broker/api/server.ts';
import type { Readiness, ServerSettings, TopicSight } from '../../broker/api/surroundings.ts';
import { clock } from '../../broker/clock.ts';
import type { Coordinator } from '../../broker/coordinator/coordinator.ts';
import { ERRORS, type ErrorCode, errorAnchor, type Problem } from '../../broker/protocol/errors.ts';
import type { SqliteStore } from '../../broker/store/sqlite-store.ts';
import { VERSION } from '../../broker/version.ts';
import { openCoordinator, openStore, type Scope } from './store.ts';

/** A topic that does not exist, one with two partitions, and one nobody knows anything of; every other has three. */
export const MISSING_TOPIC = 'missing';
export const NARROW_TOPIC = 'narrow';
export const UNKNOWN_TOPIC = 'unknown';

const sightOf = (topic: string): TopicSight => {
  if (topic === MISSING_TOPIC) return 'missing';
  if (topic === UNKNOWN_TOPIC) return 'unknown';
  return { partitions: topic === NARROW_TOPIC ? 2 : 3 };
};

type App = ReturnType<typeof buildServer>;
type Answer = Awaited<ReturnType<App['inject']>>;
type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

type Logged = Record<string, unknown> & { msg: unknown };

/** Keeps what is logged at `error`, drops the rest. */
const loggerInto = (errors: Logged[]): ServerSettings['logger'] => {
  const drop = (): void => undefined;
  const levels = { level: 'error', silent: drop, trace: drop, debug: drop, info: drop, warn: drop, fatal: drop };
  const error = (what: object, msg: unknown): void => void errors.push({ ...what, msg });
  const logger: ServerSettings['logger'] = { ...levels, error, child: () => logger } as never;
  return logger;
};

export interface TestServer {
  readonly app: App;
  readonly coordinator: Coordinator;
  readonly store: SqliteStore;
  readonly metrics: Metrics;
  /** What was logged at `error`. */
  readonly errors: Logged[];
  /** How often topics were asked about, and which. */
  readonly inspected: string[][];
  /** Moves the broker's clock. */
  readonly time: { now: number };
  /** What the broker says of itself. */
  readonly state: { accepting: boolean; readiness: Readiness };
  call(method: string, url: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** A group that may send everywhere and has no check address. */
  createGroup(name: string): Promise<void>;
  /** A transaction of the group `g`, which must be there, with one message to `transfers`. */
  prepare(id: string, more?: object): Promise<void>;
  /** A committed transaction whose only message is parked. */
  park(id: string): Promise<void>;
}

type Given =
  | Partial<ServerSettings>
  | ((parts: { coordinator: Coordinator; store: SqliteStore }) => Partial<ServerSettings>);

/** Every part can be replaced; what is not given is a double that says yes. Closed with the test. */
export const startServer = async (t: Scope, given: Given = {}, dataDir?: string): Promise<TestServer> => {
  const store = openStore(t, dataDir);
  const time = { now: Date.UTC(2026, 10, 21, 10) };
  const metrics = new Metrics();
  const coordinator = await openCoordinator(store, {
    clock: { now: () => time.now, monotonic: clock.monotonic },
    onCommit: (commands, tookMs) => metrics.onCommit(commands, tookMs),
    onResolution: (kind, by) => metrics.onResolution(kind, by),
    onFatal: () => undefined,
  });
  const errors: TestServer['errors'] = [];
  const inspected: string[][] = [];
  const state: TestServer['state'] = {
    accepting: true,
    readiness: { status: 'ok', checks: { store: { status: 'ok' } } },
  };
  metrics.watch({
    coordinator,
    store,
    now: () => time.now,
    kafkaUp: () => true,
    checkCalls: () => 0,
    readiness: () => state.readiness,
    publisher: 'kafka',
  });
  const app = buildServer({
    coordinator,
    keys: coordinator,
    store,
    clock: { now: () => time.now, monotonic: clock.monotonic },
    forwarding: { trouble: () => null },
    topics: {
      inspect: async topics => {
        inspected.push(topics);
        return new Map(topics.map(topic => [topic, sightOf(topic)]));
      },
    },
    checkBack: { test: async () => ({ ok: true, status: 200, tookMs: 3, error: null }), lastCallMs: () => null },
    addresses: {
      judge: url => (url.includes('forbidden') ? 'The broker may not call forbidden.' : null),
      isLoopback: url => url.startsWith('http://127.0.0.1'),
    },
    about: {
      version: VERSION,
      startedAt: time.now,
      publisher: 'memory',
      source: 'escrowmq',
      retentionMs: 259_200_000,
    },
    backups: store.copies,
    readiness: () => state.readiness,
    accepting: () => state.accepting,
    operatorKey: null,
    metrics,
    logger: loggerInto(errors),
    ...(typeof given === 'function' ? given({ coordinator, store }) : given),
  });
  t.teardown(() => app.close());
  await app.ready();
  const call: TestServer['call'] = (method, url, body, headers = {}) =>
    app.inject({
      method: method as Method,
      url,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      ...(body === undefined
        ? {}
        : { payload: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
    });
  const prepare = (id: string, more: object = {}): Promise<void> =>
    expect(201, call('POST', '/v1/transactions', { ...transaction(id), ...more }));
  return {
    app,
    coordinator,
    store,
    metrics,
    errors,
    inspected,
    time,
    state,
    call,
    createGroup: name => expect(201, call('PUT', `/v1/producer-groups/${name}`, {})),
    prepare,
    park: async id => {
      await prepare(id);
      await expect(200, call('POST', `/v1/transactions/${id}/commit`));
      await coordinator.submit([{ type: 'park', transactionId: id, index: 0, error: 'too large' }]);
    },
  };
};

const expect = async (status: number, answer: Promise<Answer>): Promise<void> => {
  const { statusCode, body } = await answer;
  if (statusCode !== status) throw new Error(`${statusCode} instead of ${status}: ${body}`);
};

/** A prepare of the group `g` with one message. */
export const transaction = (id: string, message: object = {}) => ({
  id,
  group: 'g',
  messages: [{ topic: 'transfers', key: 'account-17', payload: '{"amount":100}', ...message }],
});

/** Asserts that the answer is a whole problem of the catalogue, and returns it. */
export const isProblem = (t: Test, answer: Answer, code: ErrorCode, what: string = code): Problem => {
  const problem = answer.json<Problem>();
  const { status, title, retryable } = ERRORS[code];
  const type = `/errors#${errorAnchor(code)}`;
  t.match(problem, { code, status, title, retryable, type }, what);
  t.equal(answer.statusCode, status, `${what}: status`);
  t.equal(answer.headers['content-type'], 'application/problem+json', `${what}: content type`);
  t.match(problem.detail, /^[A-Z/“"].*\.$/, `${what}: a sentence`);
  t.ok(problem.instance?.startsWith('/'), `${what}: instance`);
  return problem;
};

/** Sends the text over a connection of its own and returns what comes back until the broker ends it. */
export const rawCall = async (app: App, text: string): Promise<string> => {
  const address = app.server.address() as AddressInfo | null;
  const { port } = new URL(
    address ? `http://127.0.0.1:${address.port}` : await app.listen({ host: '127.0.0.1', port: 0 }),
  );
  const socket = connect(Number(port), '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', chunk => chunks.push(chunk));
  socket.write(text);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('utf8');
};

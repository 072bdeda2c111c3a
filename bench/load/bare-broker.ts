/**
 * The two calls of a transaction and nothing around them: a process of its own with Fastify, the broker's statements,
 * and one durable commit for each turn of the event loop. Without a file for the database it answers at once.
 */
import Fastify from 'fastify';
import { type BarePrepare, BareStorage } from './bare-storage.ts';

/** Where it listens. */
export interface BareBrokerReady {
  readonly event: 'ready';
  readonly url: string;
}

/** What came in one turn of the event loop. */
interface Turn {
  readonly prepares: BarePrepare[];
  readonly commits: string[];
  readonly durable: Promise<void>;
}

interface PrepareBody {
  readonly id: string;
  readonly messages: readonly [{ readonly payload: string }];
}

const [databaseFile] = process.argv.slice(2);
const storage = databaseFile === undefined ? null : new BareStorage(databaseFile);
let current: Turn | null = null;

const openTurn = (into: BareStorage): Turn => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const turn: Turn = { prepares: [], commits: [], durable: promise };
  // What fails here ends the process, and with it the measurement.
  setImmediate(() => {
    current = null;
    into.save(turn.prepares, turn.commits);
    resolve();
  });
  return turn;
};

const app = Fastify();

app.post<{ Body: PrepareBody }>('/v1/transactions', async ({ body }, reply) => {
  const { id, messages } = body;
  if (storage !== null) {
    current ??= openTurn(storage);
    current.prepares.push({ id, payload: Buffer.from(messages[0].payload) });
    await current.durable;
  }
  void reply.code(201);
  return { id, state: 'prepared' };
});

app.post<{ Params: { id: string } }>('/v1/transactions/:id/commit', async ({ params: { id } }) => {
  if (storage !== null) {
    current ??= openTurn(storage);
    current.commits.push(id);
    await current.durable;
  }
  return { id, state: 'committed' };
});

const url = await app.listen({ host: '127.0.0.1', port: 0 });
process.on('disconnect', () => process.exit(0));
const ready: BareBrokerReady = { event: 'ready', url };
process.send!(ready);

/** The order service and the stock consumer of examples/express-postgres as processes, on PostgreSQL and Kafka. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { type BrokerProcess, eventually, kafkaArgs, startBrokerProcess } from '../support/broker-process.ts';
import { needsPostgres, postgresDatabase, postgresPool } from '../support/databases.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { steadyAddress } from '../support/steady-address.ts';
import { readTopic } from '../support/topics.ts';

t.setTimeout(180_000);

const EXAMPLE = resolve('examples/express-postgres');

/** Loaded before the service: dies when it is about to tell the broker that the local transaction has committed. */
const DIES_AT_COMMIT = `data:text/javascript,${encodeURIComponent(`
  import { Client } from ${JSON.stringify(pathToFileURL(resolve('producer-sdk/client/client.ts')).href)};
  Client.prototype.commit = () => process.kill(process.pid, 'SIGKILL');
`)}`;

class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  url = '';
  #said = '';

  private constructor(file: string, env: Record<string, string>, preload: string[]) {
    this.child = spawn(
      process.execPath,
      ['--disable-warning=TimeoutNegativeWarning', ...preload, `${EXAMPLE}/${file}`],
      {
        env: { ...process.env, PORT: '0', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.ended = once(this.child, 'exit').then(([code]) => code);
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.on('data', chunk => {
        this.#said += chunk;
      });
    }
  }

  static async start(t: Test, file: string, env: Record<string, string>, preload: string[] = []): Promise<Program> {
    const program = new Program(file, env, preload);
    t.teardown(async () => {
      program.child.kill('SIGKILL');
      await program.ended;
    });
    const lines = createInterface({ input: program.child.stdout! });
    const early = program.ended.then(code => {
      throw new Error(`${file} ended with ${code}: ${program.#said}`);
    });
    early.catch(() => {});
    const listening = (async () => {
      for await (const line of lines) {
        const url = /^listening (\S+)$/.exec(line)?.[1];
        if (url !== undefined) return url;
      }
      throw new Error(`${file} did not listen: ${program.#said}`);
    })();
    program.url = await Promise.race([listening, early]);
    return program;
  }

  stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return this.ended;
  }
}

interface World {
  readonly orders: pg.Pool;
  readonly stock: pg.Pool;
  readonly broker: BrokerProcess;
  readonly topic: string;
  readonly deadLetters: string;
  readonly brokers: readonly string[];
  /** Another instance, on the same database and check address. */
  service(preload?: string[]): Promise<Program>;
}

const place = async (url: string, body: unknown): Promise<{ status: number; body: { id: string; code?: string } }> => {
  const response = await fetch(`${url}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as { id: string } };
};

/** The states of the reservations of one order. */
const reservationsOf = async ({ stock }: World, id: string): Promise<string[]> => {
  const { rows } = await stock.query<{ state: string }>('select state from reservations where order_id = $1', [id]);
  return rows.map(({ state }) => state);
};

const freeOf = async ({ stock }: World, item: string): Promise<number> =>
  (await stock.query<{ free: number }>('select free from stock where item = $1', [item])).rows[0]!.free;

const prepareWorld = async (t: Test): Promise<World> => {
  const kafka = await sharedKafka(t);
  const [topic, deadLetters] = [await newTopic(kafka), await newTopic(kafka)];
  const databases = { orders: await postgresDatabase(t), stock: await postgresDatabase(t) };
  const address = (name: keyof typeof databases): string => {
    const { user, host, port, database } = databases[name];
    return `postgres://${user}@${host}:${port}/${database}`;
  };
  for (const name of ['orders', 'stock', 'stock'] as const) {
    await promisify(execFile)(process.execPath, [`${EXAMPLE}/migrate.ts`, name, address(name)]);
  }
  const broker = await startBrokerProcess(t, { args: kafkaArgs(kafka) });
  const running: Program[] = [];
  const atBroker = await steadyAddress(t, () => broker.url);
  const atService = await steadyAddress(t, () => running.at(-1)!.url);
  const env = { ESCROWMQ_URL: atBroker, CHECK_URL: `${atService}/escrow/check`, TOPIC: topic };
  await Program.start(t, 'stock-consumer.ts', {
    DATABASE_URL: address('stock'),
    KAFKA_BROKERS: kafka.brokers.join(','),
    TOPIC: topic,
    DEAD_LETTER_TOPIC: deadLetters,
  });
  return {
    orders: await postgresPool(t, { ...databases.orders }),
    stock: await postgresPool(t, { ...databases.stock }),
    broker,
    topic,
    deadLetters,
    brokers: kafka.brokers,
    service: async (preload = []) => {
      const program = await Program.start(t, 'order-service.ts', { ...env, DATABASE_URL: address('orders') }, preload);
      running.push(program);
      return program;
    },
  };
};

t.test('orders arrive, or never were', needsKafka.skip ? needsKafka : needsPostgres, async t => {
  const world = await prepareWorld(t);
  const { broker, orders } = world;
  const service = await world.service();
  const countOrders = async (): Promise<number> =>
    Number((await orders.query<{ count: string }>('select count(*) from orders')).rows[0]!.count);

  await t.test('an order is a row here and a reservation there', async t => {
    const { status, body } = await place(service.url, { item: 'book', quantity: 3 });
    t.equal(status, 201);
    t.match(body, { delivery: 'acknowledged' });
    await eventually('the reservation', async () => (await reservationsOf(world, body.id)).length > 0);
    t.same(await reservationsOf(world, body.id), ['reserved']);
    t.equal(await freeOf(world, 'book'), 97);
    const found = await fetch(`${service.url}/orders/${body.id}`);
    t.match(await found.json(), { item: 'book', quantity: 3 });
    t.equal((await fetch(`${service.url}/orders/none`)).status, 404);
    t.equal((await fetch(`${service.url}/readyz`)).status, 200);
  });

  await t.test('more than there is: the order stands, nothing is taken', async t => {
    const { body } = await place(service.url, { item: 'lamp', quantity: 6 });
    await eventually('the reservation', async () => (await reservationsOf(world, body.id)).length > 0);
    t.same(await reservationsOf(world, body.id), ['short']);
    t.equal(await freeOf(world, 'lamp'), 5);
  });

  await t.test('what is no order changes nothing', async t => {
    const before = await countOrders();
    for (const body of [{}, { item: 'book', quantity: 0 }, { item: 'book', quantity: '1' }, { quantity: 1 }, 7]) {
      t.equal((await place(service.url, body)).status, 400, JSON.stringify(body));
    }
    const broken = await fetch(`${service.url}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{',
    });
    t.equal(broken.status, 400);
    t.equal((await place(service.url, { item: 'book', quantity: 2 ** 40 })).status, 500, 'more than the column holds');
    t.equal(await countOrders(), before);
  });

  await t.test('no broker, no order; then it is there again', async t => {
    const before = await countOrders();
    await broker.kill();
    const refused = await place(service.url, { item: 'book', quantity: 1 });
    t.equal(refused.status, 503);
    t.equal(await countOrders(), before);
    await broker.start();
    // The SDK leaves a broker that was away alone for a few seconds.
    const { body } = await eventually('an order that is taken', async () => {
      const answer = await place(service.url, { item: 'book', quantity: 1 });
      return answer.status === 201 && answer;
    });
    await eventually('the reservation', async () => (await reservationsOf(world, body.id)).length > 0);
    t.equal(await countOrders(), before + 1, 'those that were refused are not there');
  });

  await t.test('the service dies between the two commits: another instance answers the check-back', async t => {
    const before = await countOrders();
    const free = await freeOf(world, 'book');
    const dying = await world.service(['--import', DIES_AT_COMMIT]);
    await t.rejects(place(dying.url, { item: 'book', quantity: 10 }));
    await dying.ended;
    t.equal(await countOrders(), before + 1, 'the order is there');
    const second = await world.service();
    await eventually('the reservation', async () => (await freeOf(world, 'book')) === free - 10);
    t.equal(await second.stop(), 0);
  });

  await t.test('poison goes aside', async t => {
    const kafka = new Kafka({ brokers: [...world.brokers], logLevel: logLevel.NOTHING });
    const writer = kafka.producer();
    await writer.connect();
    const headers = { ce_id: 'x.0', ce_source: '/elsewhere', ce_specversion: '1.0' };
    await writer.send({ topic: world.topic, messages: [{ key: 'book', value: '{"no":"order"}', headers }] });
    await writer.disconnect();
    const [letter] = await readTopic(world.brokers, world.deadLetters, { until: 1 });
    t.equal(String(letter!.value), '{"no":"order"}');
    t.match(String(letter!.headers.escrow_dlt_cause), /This is no order/);
  });

  t.equal(await service.stop(), 0, 'it ends in order');
});

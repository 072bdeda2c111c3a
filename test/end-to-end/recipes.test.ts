/** The recipes for ORMs and query builders, each installed as a reader would, on a real database beside a real broker. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../../tools/packages/command.ts';
import { eventually, startBrokerProcess } from '../support/broker-process.ts';
import { RecipeProject } from '../support/recipe-project.ts';
import { needsOf, type Order, openRecipe, RECIPES } from '../support/recipe-shop.ts';
import { TOOLS } from '../support/recipe-tools.ts';
import { temporaryFolder } from '../support/store.ts';

t.setTimeout(240_000);

const project = await RecipeProject.make(t);
const isMissing = typeof project === 'string' ? project : false;
/** Only read where it is not missing. */
const installed = project as RecipeProject;

const order = (id: string): Order => ({ id, amount: 100 });
const insert = (id: string): string => `insert into orders (id, amount) values ('${id}', 100)`;
const COMMITTED = { order: true, fence: 'commit', broker: 'committed' };
const ROLLED_BACK = { order: false, fence: 'rollback', broker: 'rolled_back' };

const gate = (): { readonly opened: Promise<void>; readonly open: () => void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
};

/** Drivers' errors lie at different depths in those of the tools. */
const saidBy = (error: unknown): string => {
  const { message, cause, meta } = error as { message?: string; cause?: unknown; meta?: unknown };
  return `${message} ${meta === undefined ? '' : JSON.stringify(meta)} ${cause === undefined ? '' : saidBy(cause)}`;
};

t.test('the recipes fit the types of SDK and tools', { skip: isMissing }, async t => {
  await t.resolves(installed.typeCheck());
});

t.test('their lock file names no registry', async t => {
  t.notMatch(readFileSync('examples/recipes/package-lock.json', 'utf8'), /"resolved": "https?:/);
});

t.test('what the page shows is what the recipes do', async t => {
  const folder = 'examples/recipes';
  const plain = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();
  const recipes = readdirSync(folder).filter(file => file.endsWith('.ts'));
  const sources = recipes.map(file => plain(readFileSync(join(folder, file), 'utf8')));
  const shown = [...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)];
  t.equal(shown.length, 5);
  for (const [, lines] of shown) {
    t.ok(
      sources.some(source => source.includes(plain(lines!))),
      `${lines!.split('\n')[0]}`,
    );
  }
});

t.test('the program that runs one', { skip: isMissing }, async t => {
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'] });
  const file = join(temporaryFolder(t), 'shop.db');
  const said = await run(process.execPath, ['run.ts', 'kysely-sqlite', file, broker.url], installed.folder);
  const ids = [...said.matchAll(/^order (\S+): in a transaction of the (producer|tool)$/gm)].map(match => match[1]);
  t.equal(ids.length, 2);
  for (const id of ids) t.equal((await broker.get(`/v1/transactions/${id}`)).body.state, 'committed');
});

for (const recipe of RECIPES) {
  const { tool } = recipe;
  const skip = isMissing || needsOf(recipe).skip;
  t.test(recipe.file, { skip }, async t => {
    const world = await openRecipe(t, installed, recipe);
    const {
      shop,
      sdk,
      broker,
      begin,
      check,
      claimsOnly,
      handed,
      inOwnTransaction,
      messagesOf,
      outside,
      records,
      stateOf,
    } = world;
    /** Both ways to the same work: (a) `producer.transaction`, (b) a transaction of the tool around a claim. */
    const FORMS = {
      a: (id: string, work: (tx: unknown) => Promise<unknown>): Promise<unknown> =>
        shop.producer.transaction({ id, messages: messagesOf(order(id)) }, tx => work(handed(tx))),
      b: (id: string, work: (tx: unknown) => Promise<unknown>): Promise<unknown> =>
        inOwnTransaction(order(id), () =>
          begin(async tx => {
            const claim = await shop.claim(tx, id);
            await work(tx);
            await claim.verify();
          }),
        ),
    };

    await t.test('an order and its message', async t => {
      await claimsOnly(async () => {
        await shop.placeOrder(order('a1'));
        await shop.placeOrderInOwnTransaction(order('b1'));
      });
      for (const id of ['a1', 'b1']) t.same(await stateOf(id), COMMITTED, id);
      await shop.placeOrder(order('a1'));
      await shop.placeOrderInOwnTransaction(order('b1'));
      await shop.producer.transaction({ id: 'a2' }, async (tx, { send }) => {
        await tool.run(handed(tx), insert('a2'));
        for (const message of messagesOf(order('a2'))) send(message);
      });
      t.same(await stateOf('a2'), COMMITTED, 'with messages given inside');
      await eventually('the records', async () => (await records()).length === 3);
      t.same(await records(), ['a1.0', 'a2.0', 'b1.0'], 'once each');
    });

    await t.test('an error rolls everything back, and comes out unchanged', async t => {
      await outside(insert('taken-a'));
      await outside(insert('taken-b'));
      const duplicate = async (placing: Promise<unknown>): Promise<void> => {
        const error = await placing.then(() => null, saidBy);
        t.match(error, /duplicate|unique/i, 'of the database');
      };
      await duplicate(shop.placeOrder(order('taken-a')));
      await duplicate(shop.placeOrderInOwnTransaction(order('taken-b')));
      for (const id of ['taken-a', 'taken-b']) t.same(await stateOf(id), { ...ROLLED_BACK, order: true }, id);
      for (const [form, runs] of Object.entries(FORMS)) {
        const id = `own-${form}`;
        const mine = new Error('out of stock');
        const failing = runs(id, async tx => {
          await tool.run(tx, insert(id));
          throw mine;
        });
        t.equal(await failing.catch((error: unknown) => error), mine, `of the function, form ${form}`);
        t.same(await stateOf(id), ROLLED_BACK, id);
      }
    });

    for (const [form, runs] of Object.entries(FORMS)) {
      if (recipe.database === 'sqlite') break; // There no error of a statement ends a transaction.
      await t.test(`an error that ended the transaction was caught, form ${form}`, async t => {
        const swallow = (running: unknown): Promise<unknown> => Promise.resolve(running).catch(() => {});
        if (recipe.database === 'postgresql') {
          const id = `caught-${form}`;
          const caught = runs(id, async tx => {
            await tool.run(tx, insert(id));
            await swallow(tool.run(tx, 'insert into nowhere values (1)'));
            await swallow(tool.run(tx, insert(`${id}-after`)));
          });
          await t.rejects(caught);
          t.same(await stateOf(id), ROLLED_BACK);
          return;
        }
        // Two rows, locked by two transactions in opposite order: one of them is the victim of the deadlock.
        const rows = [`row-${form}-0`, `row-${form}-1`] as const;
        for (const id of rows) await outside(insert(id));
        const touch = (tx: unknown, id: string) =>
          tool.run(tx, `update orders set amount = amount + 1 where id = '${id}'`);
        const reached = [gate(), gate()];
        const locking = (me: 0 | 1): Promise<unknown> =>
          runs(`caught-${form}-${me}`, async tx => {
            await touch(tx, rows[me]);
            reached[me]!.open();
            await reached[1 - me]!.opened;
            await swallow(touch(tx, me === 0 ? rows[1] : rows[0]));
            await tool.run(tx, insert(`caught-${form}-${me}`));
          });
        const ends = (await Promise.allSettled([locking(0), locking(1)])).map(({ status }) => status);
        t.same([...ends].sort(), ['fulfilled', 'rejected'], 'one was the victim');
        const left = await stateOf(`caught-${form}-${ends.indexOf('rejected')}`);
        t.match(left, { fence: 'rollback', broker: 'rolled_back' });
        // A tool's own transaction has autocommit on unless the recipe sees to it: what came after the deadlock stays.
        if (form === 'a' || recipe.isWhole) t.notOk(left.order, 'nothing of it is there');
        t.same(
          await stateOf(`caught-${form}-${ends.indexOf('fulfilled')}`),
          COMMITTED,
          'the other one is not concerned',
        );
      });
    }

    await t.test('the verdict was written before', async t => {
      const verdict = async (id: string): Promise<void> => {
        await shop.producer.prepare({ id, messages: messagesOf(order(id)) });
        t.equal(await check(id), 'rollback');
      };
      await verdict('late-a');
      await verdict('late-b');
      await t.rejects(shop.placeOrder(order('late-a')), { code: 'ID_SPENT' });
      await t.rejects(shop.placeOrderInOwnTransaction(order('late-b')));
      await shop.producer.prepare({ id: 'by-hand', messages: messagesOf(order('by-hand')) });
      await broker.post('/v1/transactions/by-hand/rollback', { reason: 'a person decided' });
      await t.rejects(shop.placeOrderInOwnTransaction(order('by-hand')));
      for (const id of ['late-a', 'late-b', 'by-hand']) t.same(await stateOf(id), ROLLED_BACK, id);
    });

    await t.test('a claim in a savepoint that was rolled back', async t => {
      const claiming = inOwnTransaction(order('vanished'), () =>
        begin(async tx => {
          let verify = async (): Promise<void> => {};
          const undone = new Error('the inner one failed');
          const inner = tool.nested(tx, async savepoint => {
            ({ verify } = await shop.claim(savepoint, 'vanished'));
            throw undone;
          });
          t.equal(await inner.catch((error: unknown) => error), undone);
          await tool.run(tx, insert('vanished'));
          await verify();
        }),
      );
      // Tools that know that the savepoint is over refuse its executor themselves.
      await t.rejects(claiming, { code: /CLAIM_LOST|MISUSED_TRANSACTION/ });
      t.same(await stateOf('vanished'), ROLLED_BACK);
    });

    await t.test('an executor outside of any transaction', async t => {
      const claiming = inOwnTransaction(order('nowhere'), async () => {
        const claim = await shop.claim(shop.db, 'nowhere');
        await tool.run(shop.db, insert('nowhere'));
        await claim.verify();
      });
      await t.rejects(claiming, { code: 'MISUSED_TRANSACTION' });
      t.same(await stateOf('nowhere'), ROLLED_BACK);
    });

    const { describe } = world;
    if (describe !== undefined) {
      await t.test('a transaction() that opens none', async t => {
        const fence = sdk.sqlFence<unknown, unknown>({ ...describe(shop.db), transaction: (db, work) => work(db) });
        const producer = sdk.createProducer({ url: broker.url, group: 'miswired', fence });
        t.teardown(() => producer.close());
        const attempt = producer.transaction({ id: 'miswired', messages: messagesOf(order('miswired')) }, async tx => {
          await tool.run(tx, insert('miswired'));
        });
        await t.rejects(attempt, { code: 'MISUSED_TRANSACTION' });
        t.same(await stateOf('miswired'), ROLLED_BACK);
      });
    } else {
      await t.test('statements that are not awaited, and a transaction begun inside', async t => {
        const messages = messagesOf(order('running'));
        const running = shop.producer.transaction({ id: 'running', messages }, async connection => {
          const sent = gate();
          const query = (...args: unknown[]): unknown => {
            const result = connection.query(...args);
            sent.open();
            return result;
          };
          const watched = new Proxy(connection, {
            get: (target, name) => (name === 'query' ? query : Reflect.get(target, name)),
          });
          // Some tools send nothing before somebody waits for it.
          void Promise.resolve(tool.run(handed(watched), insert('running'))).catch(() => {});
          await sent.opened;
        });
        await t.rejects(running, { code: 'MISUSED_TRANSACTION' });
        const nested = FORMS.a('nested', tx =>
          tool.begin(tx, inner => tool.run(inner, insert('nested')).then(() => {})),
        );
        const error = await nested.then(() => null, saidBy);
        t.match(error, /begun and ended for/);
        for (const id of ['running', 'nested']) t.same(await stateOf(id), ROLLED_BACK, id);
      });
    }

    if (tool === TOOLS.prisma) {
      await t.test('the time limit of the tool itself, its error caught', async t => {
        const fence = sdk.sqlFence<unknown, unknown>(describe!(shop.db, 150));
        const producer = sdk.createProducer({ url: broker.url, group: 'slow', fence });
        t.teardown(() => producer.close());
        const attempt = producer.transaction({ id: 'slow', messages: messagesOf(order('slow')) }, async tx => {
          const fails = (): Promise<boolean> =>
            tool.run(tx, insert(randomUUID())).then(
              () => false,
              () => true,
            );
          while (!(await fails()));
        });
        await t.rejects(attempt);
        t.same(await stateOf('slow'), ROLLED_BACK);
        t.same(await outside('select id from orders where length(id) = 36'), []);
      });
    }

    await t.test('the sweep reads and writes through the tool', async t => {
      const rows = await outside(`select transaction_id from escrow_fence where producer_group = 'shop'`);
      const { settled, deleted } = await shop.fence.purge({ minAgeMs: 0, horizonMs: 0 });
      t.match({ settled, deleted }, { settled: rows.length, deleted: Number });
    });
  });
}

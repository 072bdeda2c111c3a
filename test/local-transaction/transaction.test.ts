/** What `LocalDatabase.transaction` promises, on every database. The traps of each have files of their own. */
import t from 'tap';
import { type Dialect, sql } from '../../local-transaction/statement.ts';
import { until } from '../support/until.ts';
import { type AnyTx, claimOf, NOTHING, seen, type UnderTest, WAYS, work } from './databases-under-test.ts';

t.setTimeout(200_000);

const INSERT = `insert into effect (id) values (1)`;
const DONE = { claims: ['a'], effects: [1] };

/** Resolves once the server holds nothing any more of the transaction that claimed `a`. */
const released = async (under: UnderTest, dialect: Dialect): Promise<void> => {
  const outsider = await under.connect();
  const patience = dialect === 'mysql' ? 'set session innodb_lock_wait_timeout = 1' : `set lock_timeout = '100ms'`;
  await outsider.run(patience);
  await until('the claim is free', async () => {
    await outsider.run('begin');
    const free = await outsider.run(`insert into guard values ('s', 'a', 't', '2020-01-01 00:00:00')`).then(
      () => true,
      () => false,
    );
    await outsider.run('rollback');
    return free;
  });
  await outsider.end();
};

for (const { name, needs, dialect, isGeneral, open } of WAYS) {
  const isSynchronous = dialect === 'sqlite';

  t.test(
    `${name}: committed as one once it resolves, invisible before, with what the function returned`,
    needs,
    async t => {
      const under = await open(t);
      const order: string[] = [];
      const during: unknown[] = [];
      const { opening, closing, ...rest } = work(dialect, 'a', tx => {
        order.push('business');
        const inserted = under.run(tx, INSERT);
        const value = { it: 'is' };
        if (isSynchronous) return value;
        return Promise.resolve(inserted).then(async () => {
          during.push(await seen(under));
          return value;
        });
      });
      const value = await under.database.transaction({
        ...rest,
        *opening() {
          order.push('opening');
          yield* opening();
        },
        *closing() {
          order.push('closing');
          yield* closing();
          order.push('closed');
        },
        beforeCommit: async () => {
          order.push('before COMMIT');
          during.push(await seen(under));
        },
      });
      t.same(value, { it: 'is' });
      t.same(await seen(under), DONE);
      const last = isSynchronous ? [] : ['before COMMIT'];
      t.same(order, ['opening', 'business', 'closing', 'closed', ...last]);
      t.same(during, isSynchronous ? [] : [NOTHING, NOTHING]);
      await until('the connection is back', () => under.lent() === 0);
    },
  );

  t.test(`${name}: an error of the user's is rethrown unchanged, and nothing stays`, needs, async t => {
    const under = await open(t, { max: 1 });
    const mine = Object.assign(new Error('no money'), { code: 'MINE' });
    for (const error of [mine, 'a string', undefined]) {
      const failing = work(dialect, 'a', tx => {
        const inserted = under.run(tx, INSERT);
        const fail = (): never => {
          throw error;
        };
        return isSynchronous ? fail() : Promise.resolve(inserted).then(fail);
      });
      let caught: unknown = 'nothing';
      await under.database.transaction(failing).catch(error => {
        caught = error;
      });
      t.equal(caught, error);
      t.same(await seen(under), NOTHING);
    }
    await under.database.transaction(work(dialect, 'a', tx => under.run(tx, INSERT)));
    t.same(await seen(under), DONE, 'the only connection is of use again');
  });

  t.test(`${name}: what fails before and after the function rolls back too`, needs, async t => {
    const under = await open(t, { max: 1 });
    await under.outside(`insert into guard values ('s', 'taken', 'theirs', '2020-01-01 00:00:00')`);
    let runs = 0;
    const count = (tx: AnyTx) => {
      runs += 1;
      return under.run(tx, INSERT);
    };
    const theirs = { claims: ['taken'], effects: [] };
    const duplicate = {
      sqlite: 'SQLITE_CONSTRAINT_PRIMARYKEY',
      postgresql: '23505',
      mysql: 'ER_DUP_ENTRY',
    };
    await t.rejects(under.database.transaction(work(dialect, 'taken', count)), { code: duplicate[dialect] });
    t.equal(runs, 0, 'no business without a claim');
    t.same(await seen(under), theirs);

    const reason = new Error('not now');
    const throwing = {
      *opening() {
        yield claimOf(dialect, 'a', 't');
        throw reason;
      },
    };
    await t.rejects(under.database.transaction(work(dialect, 'a', count, throwing)), reason);
    t.equal(runs, 0);
    const closing = {
      *closing() {
        yield sql`select 1`;
        throw reason;
      },
    };
    await t.rejects(under.database.transaction(work(dialect, 'a', count, closing)), reason);
    t.equal(runs, 1);
    t.same(await seen(under), theirs);
    if (!isSynchronous) {
      const beforeCommit = { beforeCommit: () => Promise.reject(reason) };
      await t.rejects(under.database.transaction(work(dialect, 'a', count, beforeCommit)), reason);
      t.same(await seen(under), theirs);
    }
    await until('the connection is back', () => under.lent() === 0);
  });

  t.test(`${name}: steps are told what their statements failed with, at their place`, needs, async t => {
    const under = await open(t);
    const caught: unknown[] = [];
    const { code } = (await under.outside('select nothing from guard').catch(error => error)) as { code: string };
    const failing = {
      *opening() {
        try {
          yield sql`select nothing from guard`;
        } catch (error) {
          caught.push((error as { code: string }).code);
          throw error;
        }
      },
    };
    await t.rejects(under.database.transaction(work(dialect, 'a', () => {}, failing)), { code });
    t.same(caught, [code]);
  });

  t.test(`${name}: a claim that does not stand at the end is refused, whatever became of it`, needs, async t => {
    const under = await open(t, { max: 1 });
    const gone = ['delete from guard', `update guard set token = 'theirs'`];
    for (const statement of gone) {
      const losing = work(dialect, 'a', tx => {
        const lost = under.run(tx, statement);
        return isSynchronous ? under.run(tx, INSERT) : Promise.resolve(lost).then(() => under.run(tx, INSERT));
      });
      await t.rejects(under.database.transaction(losing), { code: 'CLAIM_LOST', retryable: true }, statement);
      t.same(await seen(under), NOTHING);
    }
  });

  t.test(`${name}: a claim in a savepoint that was rolled back is refused`, needs, async t => {
    const under = await open(t, { max: 1 });
    const inSavepoint = (end: string) =>
      work(
        dialect,
        'a',
        tx => {
          const ended = under.run(tx, end);
          return isSynchronous ? under.run(tx, INSERT) : Promise.resolve(ended).then(() => under.run(tx, INSERT));
        },
        {
          *opening() {
            yield sql`savepoint mine`;
            yield claimOf(dialect, 'a', 'token-a');
          },
        },
      );
    await t.rejects(under.database.transaction(inSavepoint('rollback to savepoint mine')), {
      code: 'CLAIM_LOST',
      message: /it is gone/,
    });
    t.same(await seen(under), NOTHING);
    if (dialect === 'postgresql') {
      await t.rejects(under.database.transaction(inSavepoint('release savepoint mine')), {
        code: 'CLAIM_LOST',
        message: /inserted in a savepoint/,
      });
      t.same(await seen(under), NOTHING);
    }
    await under.database.transaction(work(dialect, 'a', tx => under.run(tx, INSERT)));
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: a savepoint of the function's own is no business of ours`, needs, async t => {
    const under = await open(t);
    const statements = ['savepoint mine', INSERT, 'rollback to savepoint mine', 'insert into effect (id) values (2)'];
    const business = (tx: AnyTx) =>
      statements.reduce<unknown>(
        (before, statement) =>
          isSynchronous ? under.run(tx, statement) : Promise.resolve(before).then(() => under.run(tx, statement)),
        undefined,
      );
    await under.database.transaction(work(dialect, 'a', business));
    t.same(await seen(under), { claims: ['a'], effects: [2] });
  });

  t.test(`${name}: many at once`, needs, async t => {
    const under = await open(t, { max: 2 });
    const ids = Array.from({ length: 20 }, (_, index) => index);
    const values = await Promise.all(
      ids.map(index => {
        const business = async (tx: AnyTx): Promise<number> => {
          await under.run(tx, `insert into effect (id) values (${index})`);
          return index;
        };
        const now = (tx: AnyTx): number => {
          under.run(tx, `insert into effect (id) values (${index})`);
          return index;
        };
        return under.database.transaction<number>(work<number>(dialect, `id-${index}`, isSynchronous ? now : business));
      }),
    );
    t.same(values, ids);
    t.equal((await seen(under)).claims.length, 20);
    t.equal((await seen(under)).effects.length, 20);
  });

  t.test(`${name}: an abort before it begins`, needs, async t => {
    const under = await open(t, { max: 1 });
    let ran = false;
    const aborted = work(
      dialect,
      'a',
      () => {
        ran = true;
      },
      { signal: AbortSignal.abort('why not') },
    );
    await t.rejects(under.database.transaction(aborted), { code: 'TRANSACTION_ABORTED', cause: 'why not' });
    t.equal(ran, false);
    t.same(await seen(under), NOTHING);
    await until('the connection is back', () => under.lent() === 0);
  });

  if (isSynchronous) continue;

  t.test(`${name}: an abort at each point ends it before COMMIT, and none after has an effect`, needs, async t => {
    const under = await open(t, { max: 1 });
    const abort = async (
      point: string,
      make: (controller: AbortController) => Parameters<typeof under.database.transaction>[0],
    ): Promise<void> => {
      const controller = new AbortController();
      const refusal = { code: 'TRANSACTION_ABORTED', cause: point };
      await t.rejects(under.database.transaction({ ...make(controller), signal: controller.signal }), refusal, point);
      t.same(await seen(under), NOTHING, point);
      await until('the connection is back', () => under.lent() === 0);
    };
    const business = (tx: AnyTx) => under.run(tx, INSERT);
    await abort('opening', controller =>
      work(dialect, 'a', business, {
        *opening() {
          controller.abort('opening');
          yield claimOf(dialect, 'a', 'token-a');
        },
      }),
    );
    // Where the tool has the connection, it is back only when a function that never ends has used up its time once more.
    const timeoutMs = 2_000;
    const forEver = async (tx: AnyTx, controller: AbortController) => {
      await business(tx);
      controller.abort('business');
      await new Promise(() => {});
    };
    await abort('business', controller => work(dialect, 'a', tx => forEver(tx, controller), { timeoutMs }));
    await abort('end of business', controller =>
      work(dialect, 'a', async tx => {
        await business(tx);
        controller.abort('end of business');
      }),
    );
    await abort('closing', controller =>
      work(dialect, 'a', business, {
        *closing() {
          yield sql`select 1`;
          controller.abort('closing');
        },
      }),
    );
    await abort('before COMMIT', controller =>
      work(dialect, 'a', business, { beforeCommit: async () => controller.abort('before COMMIT') }),
    );
    const controller = new AbortController();
    await under.database.transaction(work(dialect, 'a', business, { signal: controller.signal }));
    controller.abort('too late');
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: an abort while it waits for a connection, which then goes back`, needs, async t => {
    const under = await open(t, { max: 1 });
    const borrowed = await under.borrow();
    const controller = new AbortController();
    let ran = false;
    const running = under.database.transaction(
      work(
        dialect,
        'a',
        () => {
          ran = true;
        },
        { signal: controller.signal },
      ),
    );
    controller.abort('enough');
    await t.rejects(running, { code: 'TRANSACTION_ABORTED', cause: 'enough' });
    await borrowed.end();
    await until('the connection is back', () => under.lent() === 0);
    t.equal(ran, false);
    await under.database.transaction(work(dialect, 'a', tx => under.run(tx, INSERT)));
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: no connection in time`, needs, async t => {
    const under = await open(t, { max: 1 });
    const borrowed = await under.borrow();
    const late = work(dialect, 'a', tx => under.run(tx, INSERT), { timeoutMs: 30 });
    await t.rejects(under.database.transaction(late), {
      code: 'TRANSACTION_TIMEOUT',
      retryable: true,
      message: /30 ms/,
    });
    await t.rejects(under.database.query(sql`select 1`, 30), { code: 'TRANSACTION_TIMEOUT' });
    await borrowed.end();
    await until('the connection is back', () => under.lent() === 0);
    t.same(await seen(under), NOTHING);
    await under.database.transaction(work(dialect, 'a', tx => under.run(tx, INSERT)));
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: a function that never settles`, needs, async t => {
    const under = await open(t, { max: 1 });
    let late: AnyTx;
    const endless = work(
      dialect,
      'a',
      async tx => {
        late = tx;
        await under.run(tx, INSERT);
        await new Promise(() => {});
      },
      { timeoutMs: 1_000 },
    );
    await t.rejects(under.database.transaction(endless), { code: 'TRANSACTION_TIMEOUT' });
    t.same(await seen(under), NOTHING);
    await released(under, dialect);
    await until('the pool has room again', () => under.lent() === 0);
    if (!isGeneral) {
      await t.rejects(async () => under.run(late, 'insert into effect (id) values (2)'), {
        code: 'MISUSED_TRANSACTION',
      });
    }
    await under.database.transaction(work(dialect, 'a', tx => under.run(tx, INSERT)));
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: a function that never settles while a statement of its runs`, needs, async t => {
    const under = await open(t, { max: 1 });
    const blocker = await under.connect();
    await blocker.run('begin');
    await blocker.run(INSERT);
    const stuck = work(dialect, 'a', tx => under.run(tx, INSERT), { timeoutMs: 1_000 });
    await t.rejects(under.database.transaction(stuck), { code: 'TRANSACTION_TIMEOUT' });
    await blocker.run('rollback');
    await blocker.end();
    await until('the pool has room again', () => under.lent() === 0);
    await released(under, dialect);
    await under.database.transaction(work(dialect, 'a', tx => under.run(tx, INSERT)));
    t.same(await seen(under), DONE);
  });
}

/** What a business function must not do, and what it may. The general form leaves its connection to the user's tool. */
import t from 'tap';
import { mysqlDatabase } from '../../local-transaction/mysql2.ts';
import { until } from '../support/until.ts';
import { type AnyTx, NOTHING, seen, WAYS, work } from './databases-under-test.ts';

t.setTimeout(200_000);

const INSERT = `insert into effect (id) values (1)`;
const DONE = { claims: ['a'], effects: [1] };
const MISUSED = { name: 'LocalTransactionError', code: 'MISUSED_TRANSACTION', retryable: false };

const FORBIDDEN = [
  ...['commit', 'COMMIT WORK', '  Commit and chain', 'rollback', 'ROLLBACK;', 'rollback work', 'begin', 'BEGIN WORK'],
  ...[
    'start transaction',
    'START  TRANSACTION READ ONLY',
    '-- a word\ncommit',
    '/* a word */ commit',
    ';;commit',
    '\n\tcommit',
  ],
];
const FORBIDDEN_HERE = {
  sqlite: [],
  postgresql: ['end', 'END TRANSACTION', 'abort', `prepare transaction 'x'`, 'rollback and chain'],
  mysql: [
    ...[
      'create table other (id int)',
      'CREATE UNIQUE INDEX i ON effect (note(9))',
      'alter table effect add column x int',
    ],
    ...[
      'drop table effect',
      'drop index i on effect',
      'truncate effect',
      'truncate table effect',
      'rename table effect to e',
    ],
    ...[
      'lock tables effect write',
      'unlock tables',
      'set autocommit = 1',
      'set session autocommit=1',
      'SET @@autocommit = 1',
    ],
    ...[
      'set @@session.autocommit = 1',
      'create or replace table other (id int)',
      'analyze table effect',
      'optimize table effect',
    ],
    ...[
      'grant select on *.* to nobody',
      'flush tables',
      `xa start 'x'`,
      '# a word\ncommit',
      '/*!40000 create table o (i int) */',
    ],
    ...['/*M!100000 commit */', 'create view v as select 1', 'create user nobody', 'begin not atomic select 1; end'],
    ...[
      'set @x = 1, autocommit = 1',
      'set names utf8mb4, autocommit = on',
      'set session sql_log_bin = 1, @@session.autocommit := 1',
      `set password = password('x')`,
    ],
  ],
};
const ALLOWED_HERE = {
  sqlite: [],
  postgresql: [
    ...[
      'savepoint s',
      'rollback to s',
      'rollback to savepoint s',
      'ROLLBACK WORK TO s',
      'release s',
      `set local lock_timeout = '1s'`,
    ],
    ...[`select 'commit'`, 'select 1 as "end"', 'prepare p as select 1', 'deallocate p', 'create table made (id int)'],
  ],
  mysql: [
    ...[
      'savepoint s',
      'rollback to s',
      'rollback to savepoint s',
      'ROLLBACK WORK TO SAVEPOINT s',
      'release savepoint s',
    ],
    ...[
      `select 'commit'`,
      'create temporary table made (id int)',
      'drop temporary table made',
      'create or replace temporary table made (i int)',
      'set @x = 1',
      `set @autocommit = 1`,
    ],
    ...[`prepare p from 'select 1'`, 'execute p', 'deallocate prepare p', `update effect set note = 'alter table'`],
  ],
};

for (const { name, needs, dialect, isGeneral, open } of WAYS) {
  if (isGeneral || dialect === 'sqlite') continue;

  t.test(`${name}: statements that would end the transaction are refused and never sent`, needs, async t => {
    const under = await open(t, { max: 1 });
    const wrong: string[] = [];
    await under.database.transaction(
      work(dialect, 'a', async tx => {
        await under.run(tx, INSERT);
        for (const statement of [...FORBIDDEN, ...FORBIDDEN_HERE[dialect]]) {
          const error: unknown = await (async () => under.run(tx, statement))().catch(error => error);
          if ((error as { code?: unknown } | undefined)?.code !== 'MISUSED_TRANSACTION') wrong.push(statement);
        }
        // Nothing of it reached the server: the claim is neither committed nor gone.
        t.same(await seen(under), NOTHING);
      }),
    );
    t.same(wrong, []);
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: everything else may be sent`, needs, async t => {
    const under = await open(t, { max: 1 });
    await under.database.transaction(
      work(dialect, 'a', async tx => {
        await under.run(tx, INSERT);
        for (const statement of ALLOWED_HERE[dialect]) await under.run(tx, statement);
        t.same(await seen(under), NOTHING);
      }),
    );
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: in every form that the driver takes a statement`, needs, async t => {
    const under = await open(t, { max: 1 });
    const forms: Record<string, (tx: AnyTx) => unknown> =
      dialect === 'postgresql'
        ? {
            config: tx => tx.query({ text: 'commit' }),
            values: tx => tx.query('commit', []),
            callback: tx => tx.query('commit', () => {}),
          }
        : {
            config: tx => tx.query({ sql: 'commit' }),
            values: tx => tx.query('commit', []),
            execute: tx => tx.execute('commit'),
            prepare: tx => tx.prepare('commit'),
          };
    for (const [form, use] of Object.entries(forms)) {
      await t.rejects(under.database.transaction(work(dialect, 'a', async tx => use(tx))), MISUSED, form);
    }
    const methods =
      dialect === 'postgresql'
        ? ['release', 'end']
        : ['release', 'end', 'destroy', 'commit', 'rollback', 'beginTransaction', 'changeUser'];
    for (const method of methods) {
      const using = work(dialect, 'a', async tx => tx[method]());
      await t.rejects(under.database.transaction(using), {
        ...MISUSED,
        message: new RegExp(`^${method}\\(\\) is not`),
      });
    }
    t.same(await seen(under), NOTHING);
    await until('the connection is back', () => under.lent() === 0);
  });

  t.test(`${name}: a function that does not wait for its statements`, needs, async t => {
    const under = await open(t, { max: 1 });
    const careless = work(dialect, 'a', tx => {
      Promise.resolve(under.run(tx, INSERT)).catch(() => {});
    });
    await t.rejects(under.database.transaction(careless), { ...MISUSED, message: /while 1 of its statements/ });
    t.same(await seen(under), NOTHING);
    const two = work(dialect, 'a', async tx => {
      const running = [INSERT, 'select 1'].map(statement => under.run(tx, statement));
      for (const each of running) Promise.resolve(each).catch(() => {});
    });
    await t.rejects(under.database.transaction(two), { ...MISUSED, message: /while 2 of its statements/ });
    t.same(await seen(under), NOTHING);
    await under.database.transaction(
      work(dialect, 'a', async tx => {
        await Promise.all([under.run(tx, INSERT), under.run(tx, 'select 1')]);
      }),
    );
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: the handle after its transaction, ended in whichever way`, needs, async t => {
    const under = await open(t, { max: 1 });
    let kept: AnyTx;
    const keep = async (tx: AnyTx): Promise<void> => {
      kept = tx;
      await under.run(tx, INSERT);
    };
    const over = { ...MISUSED, message: /transaction is over/ };
    const again = async () => under.run(kept, 'insert into effect (id) values (2)');
    await t.rejects(
      under.database.transaction(
        work(dialect, 'a', keep, {
          beforeCommit: () => t.rejects(again(), over).then(() => Promise.reject(new Error('no'))),
        }),
      ),
      /no/,
    );
    await t.rejects(again(), over);
    await under.database.transaction(work(dialect, 'a', keep));
    await t.rejects(again(), over);
    t.same(await seen(under), DONE);
  });

  t.test(`${name}: an error of the function's own while statements run`, needs, async t => {
    const under = await open(t, { max: 1 });
    const failing = work(dialect, 'a', tx => {
      Promise.resolve(under.run(tx, INSERT)).catch(() => {});
      throw new Error('mine');
    });
    await t.rejects(under.database.transaction(failing), { message: 'mine' });
    t.same(await seen(under), NOTHING);
    await under.database.transaction(work(dialect, 'a', tx => under.run(tx, INSERT)));
    t.same(await seen(under), DONE);
  });
}

t.test('MariaDB: a pool with callbacks is refused at once', async t => {
  const callbacks = { getConnection: () => {}, promise: () => {} };
  t.throws(() => mysqlDatabase(callbacks as never), { ...MISUSED, message: /pool\.promise\(\)/ });
});

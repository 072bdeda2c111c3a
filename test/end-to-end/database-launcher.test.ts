/** The launchers of PostgreSQL and MariaDB with the real things: what they start answers, dies, comes back with its data, and never outlives us. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import mysql from 'mysql2/promise';
import pg from 'pg';
import t from 'tap';
import { startMariadb } from '../../tools/databases/mariadb.ts';
import { startPostgres } from '../../tools/databases/postgres.ts';
import { mariadbAvailable, postgresAvailable } from '../../tools/databases/programs.ts';
import { type DatabaseAddress, isAlive } from '../../tools/databases/server.ts';
import { needsMariadb, needsPostgres } from '../support/databases.ts';
import { until } from '../support/until.ts';

t.setTimeout(200_000);

const onPostgres = async (address: DatabaseAddress, sql: string): Promise<unknown[]> => {
  const client = new pg.Client({ ...address, database: 'postgres' });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
};

const onMariadb = async (address: DatabaseAddress, sql: string): Promise<unknown[]> => {
  const connection = await mysql.createConnection({ ...address, database: 'mysql' });
  try {
    return (await connection.query(sql))[0] as unknown[];
  } finally {
    connection.destroy();
  }
};

const servers = [
  {
    name: 'PostgreSQL',
    needs: needsPostgres,
    start: startPostgres,
    query: onPostgres,
    durable: {
      sql: `select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit') order by name`,
      rows: ['fsync', 'full_page_writes', 'synchronous_commit'].map(name => ({ name, setting: 'on' })),
    },
    more: { sql: `select current_setting('work_mem') as it`, settings: { work_mem: '3MB' }, rows: [{ it: '3MB' }] },
    script: `import { startPostgres as start } from './tools/databases/postgres.ts';`,
  },
  {
    name: 'MariaDB',
    needs: needsMariadb,
    start: startMariadb,
    query: onMariadb,
    durable: {
      sql: 'select @@innodb_flush_log_at_trx_commit as flushed, @@innodb_doublewrite as doubled, @@innodb_flush_method as method',
      rows: [{ flushed: 1, doubled: 1, method: 'O_DIRECT' }],
    },
    more: { sql: 'select @@read_only as it', settings: { read_only: 'ON' }, rows: [{ it: 1 }] },
    script: `import { startMariadb as start } from './tools/databases/mariadb.ts';`,
  },
];

for (const { name, needs, start, query, durable, more, script } of servers) {
  t.test(`${name} is killed, stopped, comes back with its data, and is gone at the end`, needs, async t => {
    const server = await start();
    t.teardown(() => server.close());
    const { address } = server;
    const folder = path.dirname(server.logFile);
    t.same(await query(address, durable.sql), durable.rows);
    await query(address, 'create table kept (id int primary key)');
    await query(address, 'insert into kept values (1)');

    const pid = server.pid!;
    await server.kill();
    t.notOk(isAlive(pid));
    t.equal(server.pid, undefined);
    await t.rejects(query(address, 'select 1'), { code: 'ECONNREFUSED' });
    await server.start(more.settings);
    t.not(server.pid, pid, 'another process on the same port');
    t.same(await query(address, 'select id from kept'), [{ id: 1 }]);
    t.same(await query(address, more.sql), more.rows, 'with a setting of its own');
    await t.rejects(server.start(), /runs already/);

    await server.stop();
    await server.start();
    t.same(await query(address, 'select id from kept'), [{ id: 1 }]);
    t.strictNotSame(await query(address, more.sql), more.rows, 'which it does not keep');

    await server.close();
    t.notOk(existsSync(folder), 'the folder is gone');
    await t.rejects(query(address, 'select 1'), { code: 'ECONNREFUSED' });
    await server.close();
  });

  t.test(`${name} says what keeps it from starting`, needs, async t => {
    await t.rejects(start({ no_such_setting: 'on' }), /ended\. Its log says:.*no_such_setting/s);
  });

  t.test(`${name} does not outlive a starter that was killed, nor does its folder`, needs, async t => {
    const tmp = mkdtempSync(path.join(tmpdir(), 'escrowmq-killed-'));
    // The server runs under an account of its own, which must reach its folder.
    chmodSync(tmp, 0o755);
    t.teardown(() => rmSync(tmp, { recursive: true, force: true }));
    const code = `${script}
const server = await start();
console.log(JSON.stringify([server.pid, server.logFile]));`;
    const starter = spawn(process.execPath, ['--input-type=module', '-e', code], {
      env: { ...process.env, TMPDIR: tmp },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: starter.stdout! })[Symbol.asyncIterator]();
    const [pid, logFile] = JSON.parse((await lines.next()).value ?? '');
    t.ok(isAlive(pid));
    starter.kill('SIGKILL');
    await once(starter, 'exit');
    await until('the server is gone', () => !isAlive(pid));
    await until('the folder is gone', () => !existsSync(path.dirname(logFile)));
  });
}

t.test('where a server is not installed, a sentence says what to install', async t => {
  const nowhere = { PATH: '/nowhere' };
  const [postgres, mariadb] = [postgresAvailable(nowhere), mariadbAvailable(nowhere)];
  // Debian's own folders are looked at whatever PATH says.
  t.ok(postgres.programs ?? /there is no postgres.*apt-get install postgresql/.test(postgres.why!));
  t.match(mariadb.why, /there is no mariadb-install-db.*apt-get install mariadb-server/);
  t.equal(mariadb.programs, undefined);
});

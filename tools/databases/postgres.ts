/** A PostgreSQL for tests. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { account, postgresAvailable } from './programs.ts';
import { DatabaseServer, type Program, type Settings } from './server.ts';

/** Commits are as durable as on a good server; what only costs time on a small machine is left out. */
const SETTINGS: Settings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '32MB',
  max_connections: 150,
  jit: 'off',
  // Far from UTC, so that a time that is not written in UTC shows.
  timezone: 'Asia/Kathmandu',
};

/**
 * Resolves when it answers on a free port of 127.0.0.1 as user `postgres`, without a password. It ends with `close()`,
 * and also when this process ends in whichever way. Rejects with a sentence where there is nothing to start.
 */
export const startPostgres = async (settings: Settings = {}): Promise<DatabaseServer> => {
  const { programs, why } = postgresAvailable();
  if (programs === undefined) throw new Error(why);
  const program: Program = {
    name: 'postgres',
    user: 'postgres',
    account: account(['postgres', 'nobody']),
    stopSignal: 'SIGINT',
    // After SIGKILL a shared memory segment would stay in the system.
    abortSignal: 'SIGQUIT',
    create: dataFolder => [
      programs.initdb!,
      ...['--pgdata', dataFolder, '--username=postgres', '--auth=trust', '--no-sync'],
      ...['--encoding=UTF8', '--locale=C.UTF-8'],
    ],
    serve: ({ folder, dataFolder, port }, more) => [
      programs.postgres!,
      ...['-D', dataFolder, '-h', '127.0.0.1', '-p', String(port), '-k', folder],
      ...Object.entries({ ...SETTINGS, ...settings, ...more }).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    ask: async ({ host, port, user }) => {
      const client = new pg.Client({ host, port, user, database: 'postgres', connectionTimeoutMillis: 2_000 });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('select 1');
      } finally {
        await client.end().catch(() => {});
      }
    },
    workers: pid => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number),
  };
  return DatabaseServer.begin(program, settings);
};

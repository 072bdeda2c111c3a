/** A MariaDB for tests. */
import { createConnection } from 'mysql2/promise';
import { account, mariadbAvailable } from './programs.ts';
import { DatabaseServer, type Program, type Settings } from './server.ts';

/** Commits are as durable as on a good server; what only costs time on a small machine is left out. */
const SETTINGS: Settings = {
  innodb_flush_log_at_trx_commit: 1,
  innodb_doublewrite: 1,
  innodb_buffer_pool_size: '32M',
  innodb_log_file_size: '32M',
  max_connections: 150,
  performance_schema: 'OFF',
  skip_name_resolve: 'ON',
  // What Debian's own settings have.
  character_set_server: 'utf8mb4',
  collation_server: 'utf8mb4_general_ci',
  // Far from UTC, so that a time that is not written in UTC shows.
  default_time_zone: '+05:45',
};

/**
 * Resolves when it answers on a free port of 127.0.0.1 as user `root`, without a password. It ends with `close()`, and
 * also when this process ends in whichever way. Rejects with a sentence where there is nothing to start.
 */
export const startMariadb = async (settings: Settings = {}): Promise<DatabaseServer> => {
  const { programs, why } = mariadbAvailable();
  if (programs === undefined) throw new Error(why);
  const program: Program = {
    name: 'mariadb',
    user: 'root',
    account: account(['mysql', 'nobody']),
    stopSignal: 'SIGTERM',
    abortSignal: 'SIGKILL',
    create: dataFolder => [
      programs['mariadb-install-db']!,
      ...['--no-defaults', `--datadir=${dataFolder}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
      '--skip-name-resolve',
    ],
    serve: ({ folder, dataFolder, port }, more) => [
      programs.mariadbd!,
      ...['--no-defaults', `--datadir=${dataFolder}`, '--bind-address=127.0.0.1', `--port=${port}`],
      ...[`--socket=${folder}/mariadb.sock`, `--pid-file=${folder}/mariadb.pid`, `--tmpdir=${folder}`],
      ...Object.entries({ ...SETTINGS, ...settings, ...more }).map(([name, value]) => `--${name}=${value}`),
    ],
    ask: async ({ host, port, user }) => {
      const connection = await createConnection({ host, port, user, connectTimeout: 2_000 });
      try {
        await connection.query('select 1');
      } finally {
        connection.destroy();
      }
    },
    workers: () => [],
  };
  return DatabaseServer.begin(program, settings);
};

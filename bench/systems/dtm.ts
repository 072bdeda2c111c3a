/** dtm, built from its Go module: a two-phase message with one branch over HTTP, on three of its stores. */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import type { Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { temporaryFolder } from '../../tools/kafka/folder.ts';
import { cacheFolder } from '../../tools/kafka/jars.ts';
import { freePorts } from '../../tools/kafka/probe.ts';
import { measureUsage } from '../process-usage.ts';
import type { Backlog, BacklogOrder, Cell, Running, System, Throughput, Usage } from '../system.ts';
import { folderBytes } from './escrowmq.ts';

const VERSION = '1.19.0';
const MODULE = 'github.com/dtm-labs/dtm';
/** As in the checksum database of Go; another content is not the version that was measured. */
const MODULE_SUM = 'h1:TKRf21MkelOR6PPGLT9QzNs0ZJF/RLz+zZPkeOwzPPU=';
const LOAD_SOURCES = path.join(import.meta.dirname, 'dtm');
const STARTED_WITHIN_MS = 60_000;

type Command = readonly [program: string, ...args: string[]];
/** Of /etc/passwd; without members: the one that runs this. */
type Account = { readonly uid?: number; readonly gid?: number };
type Where = { readonly cwd: string } & Account;

const run = async ([program, ...args]: Command, where: Where): Promise<string> => {
  const env = { ...process.env, CGO_ENABLED: '0' };
  return (await promisify(execFile)(program, args, { ...where, env, maxBuffer: 64 << 20 })).stdout;
};

const readOr = (file: string, otherwise: string): string => {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    return otherwise;
  }
};

/** What `build` leaves in the folder `out` of a work folder, from the cache if it was made before. */
const cached = async (name: string, build: (work: string, out: string) => Promise<void>): Promise<string> => {
  const folder = path.join(cacheFolder(), name);
  if (fs.existsSync(folder)) return folder;
  const work = temporaryFolder();
  const out = path.join(work.path, 'out');
  fs.mkdirSync(out);
  fs.mkdirSync(cacheFolder(), { recursive: true });
  const own = fs.mkdtempSync(`${folder}.tmp-`);
  try {
    await build(work.path, out);
    fs.cpSync(out, own, { recursive: true });
    fs.renameSync(own, folder);
  } catch (error) {
    // Another process may have been faster: its folder arrived whole, by a rename.
    if (!fs.existsSync(folder)) throw error;
  } finally {
    fs.rmSync(own, { recursive: true, force: true });
    work.remove();
  }
  return folder;
};

/** dtm has no setting for the address it listens on. */
const onLoopback = (source: string): string => {
  const patched = source.replaceAll('fmt.Sprintf(":%d", conf.', 'fmt.Sprintf("127.0.0.1:%d", conf.');
  if (patched.split('"127.0.0.1:%d"').length !== 3) throw new Error('The listeners of dtm are not where they were.');
  return patched;
};

/** The folder with `dtm` and the tables of its stores, `postgres.sql` and `mysql.sql`. */
const serverFolder = (): Promise<string> =>
  cached(`dtm-${VERSION}-loopback`, async (work, out) => {
    const download = await run(['go', 'mod', 'download', '-json', `${MODULE}@v${VERSION}`], { cwd: work });
    const { Dir: module, Sum: sum } = JSON.parse(download);
    if (sum !== MODULE_SUM) throw new Error(`dtm ${VERSION} has the checksum ${sum} instead of ${MODULE_SUM}.`);
    const source = path.join(work, 'source');
    // Go keeps its modules without the right to write.
    await run(['cp', '-r', '--no-preserve=mode', module, source], { cwd: work });
    const listeners = path.join(source, 'dtmsvr/svr.go');
    fs.writeFileSync(listeners, onLoopback(fs.readFileSync(listeners, 'utf8')));
    const flags = ['-ldflags', `-X main.Version=v${VERSION}`, '-o', path.join(out, 'dtm')];
    await run(['go', 'build', ...flags, '.'], { cwd: source });
    for (const name of ['postgres', 'mysql'])
      fs.cpSync(path.join(source, `sqls/dtmsvr.storage.${name}.sql`), path.join(out, `${name}.sql`));
  });

const loadProgram = async (): Promise<string> => {
  const hash = createHash('sha256');
  for (const name of fs.readdirSync(LOAD_SOURCES).sort())
    hash.update(name).update(fs.readFileSync(path.join(LOAD_SOURCES, name)));
  const folder = await cached(`dtm-load-${hash.digest('hex').slice(0, 12)}`, async (_work, out) => {
    await run(['go', 'build', '-o', path.join(out, 'load'), '.'], { cwd: LOAD_SOURCES });
  });
  return path.join(folder, 'load');
};

/** As tools/kafka/node.ts does it: when the starter is gone the pipe breaks, and the guard kills the server. */
const GUARDED = `{ read -r word <&3 || kill -KILL $$; } </dev/null >/dev/null 2>&1 &
exec "$@" 3<&-`;

interface Server {
  readonly pid: number;
  /** Asks until `question` does not reject. */
  untilItAnswers(question: () => Promise<unknown>): Promise<void>;
  end(signal: NodeJS.Signals): Promise<void>;
}

const startServer = (command: Command, { cwd, ...account }: Where, env: Record<string, string> = {}): Server => {
  const logFile = path.join(cwd, 'server.log');
  const log = fs.openSync(logFile, 'a');
  const child = spawn('sh', ['-c', GUARDED, 'sh', ...command], {
    cwd,
    ...account,
    // All stores and dtm compare local times.
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', TZ: 'UTC', ...env },
    detached: true,
    stdio: ['ignore', log, log, 'pipe'],
  });
  fs.closeSync(log);
  const guard = child.stdio[3] as Socket;
  guard.on('error', () => {});
  guard.resume();
  const gone = once(child, 'exit').then(() => guard.end('ended\n'));
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid!,
    untilItAnswers: async question => {
      const end = performance.now() + STARTED_WITHIN_MS;
      for (let failed = true; failed; ) {
        failed = await question().then(
          () => false,
          () => true,
        );
        if (failed && (hasEnded() || performance.now() > end))
          throw new Error(`${command[0]} does not answer. Its log ends:\n${readOr(logFile, '').slice(-2000)}`);
        if (failed) await delay(100);
      }
    },
    end: async signal => {
      child.kill(signal);
      await gone;
    },
  };
};

interface StartedStore {
  readonly server: Server;
  readonly endedBy: NodeJS.Signals;
  /** Its client, up to the statement to run. */
  readonly client: Command;
  /** The statement that makes the tables. */
  readonly tables: string;
  /** For dtm. */
  readonly env: Record<string, string>;
}

interface Store {
  readonly name: string;
  readonly durability: string;
  /** The program and the Debian package that has it; null: nothing is missing. */
  missing(): string | null;
  /** `folder` is empty and its own; `tables` is the folder with the tables of all stores. */
  start(folder: string, tables: string): Promise<StartedStore | null>;
}

/** Servers' programs are not on everybody's path. */
const find = (program: string): string | undefined =>
  [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin']
    .map(folder => path.join(folder, program))
    .find(file => fs.existsSync(file));

const POSTGRES = '/usr/lib/postgresql';
const postgresPrograms = (): string | undefined =>
  (fs.existsSync(POSTGRES) ? fs.readdirSync(POSTGRES) : [])
    .sort((a, b) => Number(b) - Number(a))
    .map(version => path.join(POSTGRES, version, 'bin'))
    .find(folder => ['initdb', 'postgres', 'psql'].every(name => fs.existsSync(path.join(folder, name))));

/** The databases refuse to run as root, so root lends its folder to the account that their packages made. */
const accountFor = (name: string, folder: string): Account => {
  if (process.getuid?.() !== 0) return {};
  const [, uid, gid] =
    new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(fs.readFileSync('/etc/passwd', 'utf8')) ?? [];
  if (uid === undefined) throw new Error(`There is no account ${name}.`);
  const account = { uid: Number(uid), gid: Number(gid) };
  fs.chownSync(folder, account.uid, account.gid);
  fs.chmodSync(path.dirname(folder), 0o711);
  return account;
};

const postgres: Store = {
  name: 'PostgreSQL',
  durability: 'prepare and submit are each committed with synchronous_commit=on and fsync before they are answered',
  missing: () => (postgresPrograms() ? null : 'PostgreSQL is missing (Debian: postgresql)'),
  start: async (folder, tables) => {
    const where = { cwd: folder, ...accountFor('postgres', folder) };
    const program = (name: string) => path.join(postgresPrograms()!, name);
    const data = path.join(folder, 'data');
    await run([program('initdb'), '-D', data, '-A', 'trust', '-U', 'postgres', '--locale=C.UTF-8'], where);
    const port = String((await freePorts(1))[0]);
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      // dtm opens up to 500.
      max_connections: 600,
      fsync: 'on',
      synchronous_commit: 'on',
      shared_buffers: '512MB',
      max_wal_size: '2GB',
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const address = `postgresql://postgres@127.0.0.1:${port}/postgres`;
    return {
      server: startServer([program('postgres'), '-D', data, '-p', port, ...flags], where),
      // Immediate: its processes leave no shared memory behind, and the data is not wanted any more.
      endedBy: 'SIGQUIT',
      client: [program('psql'), '-qX', '-v', 'ON_ERROR_STOP=1', '-d', address, '-c'],
      tables: `\\i ${path.join(tables, 'postgres.sql')}`,
      // Without a password dtm's address of the database is misread.
      env: {
        STORE_DRIVER: 'postgres',
        STORE_PORT: port,
        STORE_USER: 'postgres',
        STORE_PASSWORD: 'x',
        STORE_DB: 'postgres',
      },
    };
  },
};

const mariadb: Store = {
  name: 'MariaDB',
  durability: 'prepare and submit are each committed with innodb_flush_log_at_trx_commit=1 before they are answered',
  missing: () => {
    const absent = ['mariadbd', 'mariadb-install-db', 'mariadb'].find(name => !find(name));
    return absent ? `${absent} is missing (Debian: mariadb-server)` : null;
  },
  start: async (folder, tables) => {
    const where = { cwd: folder, ...accountFor('mysql', folder) };
    const data = `--datadir=${path.join(folder, 'data')}`;
    const normal = '--auth-root-authentication-method=normal';
    await run([find('mariadb-install-db')!, '--no-defaults', data, normal, '--skip-test-db'], where);
    const port = String((await freePorts(1))[0]);
    const listen = ['--bind-address=127.0.0.1', `--port=${port}`, `--socket=${path.join(folder, 'socket')}`];
    // dtm opens up to 500 connections.
    const limits = ['--max-connections=700', '--innodb-flush-log-at-trx-commit=1', '--innodb-buffer-pool-size=512M'];
    return {
      server: startServer([find('mariadbd')!, '--no-defaults', data, ...listen, ...limits], where),
      endedBy: 'SIGKILL',
      client: [find('mariadb')!, '--no-defaults', '-h', '127.0.0.1', '-P', port, '-u', 'root', '-e'],
      tables: `source ${path.join(tables, 'mysql.sql')}`,
      env: { STORE_DRIVER: 'mysql', STORE_PORT: port, STORE_USER: 'root', STORE_DB: 'dtm' },
    };
  },
};

const boltdb: Store = {
  name: 'boltdb',
  durability: 'prepare and submit are each committed to boltdb with fdatasync before they are answered',
  missing: () => null,
  start: async () => null,
};

const STORES = { postgres, mariadb, boltdb };

const field = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0);

const treeOf = (root: number): number[] => {
  const pids = [root];
  // The list grows while it is walked.
  for (const pid of pids)
    pids.push(...(readOr(`/proc/${pid}/task/${pid}/children`, '').match(/\d+/g) ?? []).map(Number));
  return pids;
};

/** Of a process and its children. Linux adds the time and the writes of children that ended to their parent's. */
const treeUsage = (root: number): Usage => {
  let [ticks, writtenBytes, own, shared] = [0, 0, 0, 0];
  for (const pid of treeOf(root)) {
    const times = readOr(`/proc/${pid}/stat`, '').split(') ')[1]?.split(' ').slice(11, 15) ?? [];
    for (const time of times) ticks += Number(time);
    writtenBytes += field(readOr(`/proc/${pid}/io`, ''), 'write_bytes');
    const status = readOr(`/proc/${pid}/status`, '');
    own += field(status, 'RssAnon');
    // Every process of PostgreSQL maps the same buffers: they count once, as the one that touched most of them sees it.
    shared = Math.max(shared, field(status, 'RssShmem') + field(status, 'RssFile'));
  }
  return { cpuSeconds: ticks / 100, writtenBytes, peakRssBytes: (own + shared) * 1024 };
};

/** As measureUsage, for a process with its children. */
const measureTree = (root: number): (() => Usage) => {
  const before = treeUsage(root);
  let peak = before.peakRssBytes;
  const timer = setInterval(() => {
    peak = Math.max(peak, treeUsage(root).peakRssBytes);
  }, 1000);
  timer.unref();
  return () => {
    clearInterval(timer);
    const after = treeUsage(root);
    return {
      cpuSeconds: Math.round((after.cpuSeconds - before.cpuSeconds) * 100) / 100,
      writtenBytes: after.writtenBytes - before.writtenBytes,
      peakRssBytes: Math.max(peak, after.peakRssBytes),
    };
  };
};

/** Runs the load program; `usage` is measured from the end of its warm-up to its result. */
const measure = async <Result>([load, ...args]: Command, usage: (pid: number) => () => object): Promise<Result> => {
  const child = spawn(load, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  let finish = (): object => ({});
  let result: Result | undefined;
  for await (const line of createInterface(child.stdout)) {
    const { event, ...fields } = JSON.parse(line);
    if (event === 'measuring') finish = usage(child.pid!);
    if (event !== 'result') continue;
    result = { ...fields, processes: finish() };
    // Until now it had to stay, or its use could not have been read.
    child.stdin.end();
  }
  const [code] = await exited;
  if (result === undefined) throw new Error(`The load on dtm ended with ${code} and without a result.`);
  return result;
};

const start = async (folder: string, kind: Store): Promise<Running> => {
  const [program, load] = [await serverFolder(), await loadProgram()];
  const [storeFolder, cwd] = [path.join(folder, 'store'), path.join(folder, 'server')];
  for (const each of [storeFolder, cwd]) fs.mkdirSync(each, { recursive: true });
  const store = await kind.start(storeFolder, program);
  let server: Server | undefined;
  const stop = async () => {
    await server?.end('SIGTERM');
    await store?.server.end(store.endedBy);
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  };
  try {
    if (store) {
      await store.server.untilItAnswers(() => run([...store.client, 'select 1'], { cwd: '/' }));
      await run([...store.client, store.tables], { cwd: '/' });
    }
    const [port, grpcPort] = await freePorts(2);
    const env = {
      ...(store ? { STORE_HOST: '127.0.0.1', ...store.env } : { STORE_DRIVER: 'boltdb' }),
      HTTP_PORT: String(port),
      GRPC_PORT: String(grpcPort),
      LOG_LEVEL: 'error',
      // The default acknowledges the results of branches in memory and writes them up to 200 ms later.
      UPDATE_BRANCH_SYNC: '1',
    };
    const running = startServer([path.join(program, 'dtm')], { cwd }, env);
    server = running;
    const address = `127.0.0.1:${port}`;
    await running.untilItAnswers(() => fetch(`http://${address}/api/dtmsvr/version`));
    const usage = (loadPid: number) => {
      const single = measureUsage({ server: running.pid, load: loadPid });
      const stored = store && measureTree(store.server.pid);
      return () => ({ ...single(), ...(stored && { store: stored() }) });
    };
    const measured = <Result>(workload: string, order: object) =>
      measure<Result>([load, '-server', address, '-workload', workload, '-order', JSON.stringify(order)], usage);
    return {
      throughput: (cell: Cell) => measured<Throughput>('throughput', cell),
      // Calls to addresses that refuse connections cannot be counted. The patience begins when the checks are due.
      backlog: (order: BacklogOrder) => measured<Backlog>('backlog', order),
      diskBytes: async () => folderBytes(folder),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};

const missingGo = async (): Promise<string | null> => {
  const version = await run(['go', 'env', 'GOVERSION'], { cwd: '/' }).catch(() => '');
  const minor = Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0);
  return minor >= 22 ? null : 'Go 1.22 or newer is missing (Debian 13, or backports of Debian 12: golang-go)';
};

/** Two-phase messages over HTTP. Whatever it needs is built with Go at the first start. */
export const dtm = (store: keyof typeof STORES): System => {
  const kind = STORES[store];
  return {
    name: `dtm on ${kind.name}`,
    version: VERSION,
    durability: kind.durability,
    unavailable: async () => (await missingGo()) ?? kind.missing(),
    start: folder => start(folder, kind),
  };
};

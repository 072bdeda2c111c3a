/** RocketMQ: a name server, a broker and the ordinary Java client, all from the jars that rocketmq/pom.xml names. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheFolder } from '../../tools/kafka/jars.ts';
import { measureUsage } from '../process-usage.ts';
import type {
  Backlog,
  BacklogOrder,
  Cell,
  Running,
  SlowLocal,
  SlowLocalOrder,
  System,
  Throughput,
  Usage,
} from '../system.ts';

/** `SYNC_FLUSH`: on disk before the answer. `ASYNC_FLUSH`, its default: soon after. */
export type Flush = 'SYNC_FLUSH' | 'ASYNC_FLUSH';

const SOURCES = path.join(import.meta.dirname, 'rocketmq');
const POM = path.join(SOURCES, 'pom.xml');
const VERSION = /<rocketmq\.version>([^<]+)</.exec(readFileSync(POM, 'utf8'))?.[1] ?? 'of unknown version';
const OLDEST_JAVA = 17;

const NAME_SERVER = { host: '127.0.0.1', port: 19876 };
/** The broker also takes the port two below (for important clients) and, on all addresses, the one above (replication). */
const BROKER = { host: '127.0.0.1', port: 20911 };

/** Java 17 hides what RocketMQ reaches for. */
const JAVA_OPTIONS = [
  ...['-XX:+UseG1GC', '--add-exports', 'java.base/sun.nio.ch=ALL-UNNAMED'],
  ...['--add-opens', 'java.base/java.nio=ALL-UNNAMED', '--add-opens', 'java.base/sun.nio.ch=ALL-UNNAMED'],
];
const NAME_SERVER_HEAP = ['-Xms128m', '-Xmx256m'];
const BROKER_HEAP = ['-Xms1g', '-Xmx2g', '-XX:MaxDirectMemorySize=1g'];
const CLIENT_HEAP = ['-Xms256m', '-Xmx1g'];

const READY_WITHIN_MS = 90_000;
const STOPPED_WITHIN_MS = 20_000;
/** After its start the broker burns a core for a while, which would be charged to whatever is measured first. */
const SETTLED_BELOW_CPU_SECONDS = 0.2;
const SETTLED_WITHIN_SECONDS = 120;

/** No server may outlive its starter, nor may its network namespace ($1), however the starter ends: a guard waits for
 * the pipe to break. See tools/kafka/node.ts. */
const GUARDED = `{ read -r word <&3 || { kill -KILL $$; test -z "$1" || ip netns delete "$1"; }; } </dev/null >/dev/null 2>&1 &
shift; exec "$@" 3<&-`;

/** Runs a command to its end; rejects with the last lines of its output. */
const complete = async (command: string, parameters: readonly string[]): Promise<void> => {
  const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => (output = (output + chunk).slice(-4000)));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ended with exit code ${code}. The end of its output:\n${output.trim()}`);
};

const hashOf = (files: readonly string[]): string => {
  const hash = createHash('sha256');
  for (const file of files) hash.update(path.basename(file)).update(readFileSync(file));
  return hash.digest('hex').slice(0, 12);
};

/** A folder of the cache, filled at its first use. It arrives whole: where two fill it at once, the first one wins. */
const cached = async (name: string, fill: (folder: string) => Promise<void>): Promise<string> => {
  const folder = path.join(cacheFolder(), name);
  if (existsSync(folder)) return folder;
  mkdirSync(cacheFolder(), { recursive: true });
  const own = mkdtempSync(`${folder}.tmp-`);
  try {
    await fill(own);
    renameSync(own, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return folder;
};

const jarsName = (): string => `rocketmq-${VERSION}-${hashOf([POM])}`;

/** The jars (96 MB, by Maven). */
const jars = (): Promise<string> =>
  cached(jarsName(), async folder => {
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${folder}`, '-DincludeScope=runtime'];
    await complete('mvn', ['-B', '-q', '-f', POM, ...goal]);
  });

/** The compiled client. */
const client = (jarFolder: string): Promise<string> => {
  const sources = readdirSync(SOURCES)
    .filter(name => name.endsWith('.java'))
    .sort()
    .map(name => path.join(SOURCES, name));
  return cached(`rocketmq-client-${hashOf([POM, ...sources])}`, async folder => {
    const options = ['--release', `${OLDEST_JAVA}`, '-encoding', 'UTF-8', '-cp', path.join(jarFolder, '*')];
    await complete('javac', [...options, '-d', folder, ...sources]);
  });
};

const succeeds = (command: string, ...parameters: string[]): boolean =>
  spawnSync(command, parameters, { stdio: 'ignore', timeout: 10_000 }).status === 0;

let namespaces = 0;

/** A network namespace with nothing but a loopback, since one port of the broker listens on all addresses whatever is
 * set; empty where this user may not make one. */
const ownNetwork = (): string => {
  const name = `escrowmq-rocketmq-${process.pid}-${++namespaces}`;
  if (!succeeds('ip', 'netns', 'add', name)) return '';
  if (succeeds('ip', 'netns', 'exec', name, 'ip', 'link', 'set', 'lo', 'up')) return name;
  spawnSync('ip', ['netns', 'delete', name]);
  return '';
};

const properties = (entries: Readonly<Record<string, string | number>>): string =>
  Object.entries(entries)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

const address = ({ host, port }: { host: string; port: number }): string => `${host}:${port}`;

/** A name server with one broker, and the clients that load it. */
class RocketMq implements Running {
  readonly #folder: string;
  readonly #jars: string;
  readonly #client: string;
  readonly #flush: Flush;
  readonly #network = ownNetwork();
  readonly #processes: Record<string, ChildProcess> = {};

  constructor(folder: string, jarFolder: string, clientFolder: string, flush: Flush) {
    this.#folder = folder;
    this.#jars = jarFolder;
    this.#client = clientFolder;
    this.#flush = flush;
  }

  async start(): Promise<void> {
    for (const name of ['home', 'store', 'name-server']) mkdirSync(path.join(this.#folder, name), { recursive: true });
    await this.#server('nameServer', 'org.apache.rocketmq.namesrv.NamesrvStartup', NAME_SERVER_HEAP, {
      bindAddress: NAME_SERVER.host,
      listenPort: NAME_SERVER.port,
      kvConfigPath: path.join(this.#folder, 'name-server', 'kvConfig.json'),
      configStorePath: path.join(this.#folder, 'name-server', 'namesrv.properties'),
    });
    await this.#server('broker', 'org.apache.rocketmq.broker.BrokerStartup', BROKER_HEAP, {
      brokerClusterName: 'comparison',
      brokerName: 'comparison-a',
      brokerId: 0,
      brokerRole: 'ASYNC_MASTER',
      brokerIP1: BROKER.host,
      bindAddress: BROKER.host,
      listenPort: BROKER.port,
      namesrvAddr: address(NAME_SERVER),
      flushDiskType: this.#flush,
      storePathRootDir: path.join(this.#folder, 'store'),
      mappedFileSizeCommitLog: 256 * 1024 * 1024,
      diskMaxUsedSpaceRatio: 95,
    });
    await this.#settle();
  }

  async throughput(cell: Cell): Promise<Throughput> {
    const { localMs, ...rest } = cell;
    return this.#run('throughput', { ...rest, localMinMs: localMs?.min ?? 0, localMaxMs: localMs?.max ?? 0 });
  }

  async backlog(order: BacklogOrder): Promise<Backlog> {
    return this.#run('backlog', { ...order });
  }

  async slowLocal(order: SlowLocalOrder): Promise<SlowLocal> {
    const { processes: _, ...result } = await this.#run<SlowLocal>('slowLocal', { ...order });
    return result;
  }

  async diskBytes(): Promise<number> {
    let blocks = 0;
    for (const entry of await readdir(this.#folder, { withFileTypes: true, recursive: true })) {
      // Its files are laid out in advance with holes: what counts is what is occupied.
      if (entry.isFile()) blocks += (await lstat(path.join(entry.parentPath, entry.name))).blocks;
    }
    return blocks * 512;
  }

  async stop(): Promise<void> {
    for (const child of [this.#processes.load, this.#processes.broker, this.#processes.nameServer]) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      const patience = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS);
      await gone;
      clearTimeout(patience);
    }
    await rm(this.#folder, { recursive: true, force: true });
    if (this.#network !== '') await complete('ip', ['netns', 'delete', this.#network]);
  }

  /** Returns when the server calls itself started; the broker does so after it has registered. */
  async #server(
    name: 'nameServer' | 'broker',
    mainClass: string,
    heap: readonly string[],
    settings: Readonly<Record<string, string | number>>,
  ): Promise<void> {
    const file = path.join(this.#folder, `${name}.conf`);
    writeFileSync(file, properties(settings));
    const child = this.#java(name, [...heap, mainClass, '-c', file], false);
    const deadline = performance.now() + READY_WITHIN_MS;
    while (!this.#log(name).includes('boot success')) {
      const ended = child.exitCode !== null || child.signalCode !== null;
      if (ended || performance.now() > deadline) {
        throw new Error(`RocketMQ's ${name} ${ended ? 'ended' : 'did not start'}. Its log says:\n${this.#log(name)}`);
      }
      await sleep(50);
    }
  }

  async #settle(): Promise<void> {
    for (let second = 0; second < SETTLED_WITHIN_SECONDS; second++) {
      const end = measureUsage({ broker: this.#processes.broker!.pid! });
      await sleep(1000);
      if (end().broker!.cpuSeconds < SETTLED_BELOW_CPU_SECONDS) return;
    }
    throw new Error(`RocketMQ's broker was still busy with itself ${SETTLED_WITHIN_SECONDS} s after its start`);
  }

  /** Runs a workload of rocketmq/Main.java. Usage counts from the moment it says that it measures. */
  async #run<Result>(
    workload: string,
    parameters: Readonly<Record<string, number>>,
  ): Promise<Result & { processes: Record<string, Usage> }> {
    const order = { nameServer: address(NAME_SERVER), broker: address(BROKER), ...parameters };
    const words = Object.entries(order).map(([name, value]) => `${name}=${value}`);
    const child = this.#java('load', [...CLIENT_HEAP, 'Main', workload, ...words], true);
    const ended = once(child, 'exit');
    let endMeasuring = (): Record<string, Usage> => ({});
    let result: (Result & { processes: Record<string, Usage> }) | undefined;
    for await (const line of createInterface({ input: child.stdout! })) {
      const event: { event: 'measuring' } | { event: 'result'; result: Result } = JSON.parse(line);
      if (event.event === 'measuring') endMeasuring = measureUsage(this.#pids());
      else result = { ...event.result, processes: endMeasuring() };
    }
    await ended;
    if (result === undefined) {
      endMeasuring();
      throw new Error(`RocketMQ's client gave up on ${workload}. Its log says:\n${this.#log('load')}`);
    }
    return result;
  }

  #pids(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.#processes).map(([name, child]) => [name, child.pid!]));
  }

  /** Starts java in the network of this system; its log is a file of that name, with the standard output unless piped. */
  #java(name: string, parameters: readonly string[], piped: boolean): ChildProcess {
    const home = path.join(this.#folder, 'home');
    const enter = this.#network === '' ? [] : ['ip', 'netns', 'exec', this.#network];
    const places = [`-Drocketmq.home.dir=${home}`, `-Duser.home=${home}`, `-Drocketmq.client.logRoot=${home}/client`];
    const logging = ['-Drocketmq.client.logLevel=WARN'];
    const classPath = ['-cp', `${this.#client}${path.delimiter}${path.join(this.#jars, '*')}`];
    const java = [...enter, 'java', ...JAVA_OPTIONS, ...places, ...logging, ...classPath, ...parameters];
    const log = openSync(this.#logFile(name), 'w');
    // A session of its own: Ctrl-C at a terminal is for the starter, which then ends its servers in order.
    const child = spawn('sh', ['-c', GUARDED, 'sh', this.#network, ...java], {
      cwd: this.#folder,
      detached: true,
      stdio: ['ignore', piped ? 'pipe' : log, log, 'pipe'],
    });
    closeSync(log);
    const guard = child.stdio[3] as Socket;
    guard.on('error', () => {});
    guard.resume();
    child.once('exit', () => guard.end('ended\n'));
    this.#processes[name] = child;
    return child;
  }

  #logFile(name: string): string {
    return path.join(this.#folder, `${name}.log`);
  }

  /** Its end, where it is long. */
  #log(name: string): string {
    return readFileSync(this.#logFile(name), 'utf8').trim().slice(-4000);
  }
}

/** RocketMQ with that flush setting. It needs fixed ports where it cannot have a network of its own. */
export const rocketmqWith = (flush: Flush): System => ({
  name: flush === 'SYNC_FLUSH' ? 'RocketMQ' : `RocketMQ, ${flush}`,
  version: VERSION,
  durability:
    flush === 'SYNC_FLUSH'
      ? 'A half message is flushed to disk before its call returns; the commit is one-way: the call returns before anything of it is on disk, and nobody is told when it is.'
      : 'A half message is in memory when its call returns and flushed soon after; the commit is one-way.',
  async unavailable() {
    const lacking = ['java', 'javac', 'mvn'].filter(tool => !succeeds('sh', '-c', 'command -v "$1"', 'sh', tool));
    if (process.platform !== 'linux') return 'RocketMQ is measured on Linux only.';
    if (lacking.length > 0) return `RocketMQ needs ${lacking.join(', ')} on PATH (a JDK ${OLDEST_JAVA} and Maven).`;
    const version = /(\d+)/.exec(spawnSync('javac', ['-version'], { encoding: 'utf8', timeout: 20_000 }).stdout)?.[1];
    return Number(version) >= OLDEST_JAVA ? null : `RocketMQ needs a JDK ${OLDEST_JAVA}; javac on PATH is ${version}.`;
  },
  async start(folder) {
    const jarFolder = await jars();
    const system = new RocketMq(folder, jarFolder, await client(jarFolder), flush);
    try {
      await system.start();
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  },
});

/** As it is compared: on disk before the answer. */
export const rocketmq: System = rocketmqWith('SYNC_FLUSH');

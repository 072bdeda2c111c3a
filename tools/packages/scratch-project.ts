/** A project of somebody who uses the packages: a folder outside of the repository, with the tarballs installed. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { attempt, run } from './command.ts';
import { startPackedBroker } from './packed-broker.ts';
import { pack } from './packing.ts';

/** What a user of the SDKs may have: drivers with their types in the versions that the tests use. */
const DRIVERS = ['@types/better-sqlite3', '@types/pg', 'better-sqlite3', 'mysql2', 'pg'];
const OLDEST_TYPESCRIPT = '5.6.3';
/** Types of the oldest Node that the SDKs run on. */
const OLDEST_NODE_TYPES = '20.19.0';

/** Programs and type tests, copied into the project. */
const PROGRAMS = resolve('test/packages');

/** A user's compiler and how it looks for modules. Compilers before 5.8 did not know that an ES module can be required. */
export const COMPILATIONS = {
  'TypeScript 7, nodenext': { compiler: 'current', flags: '--module nodenext', files: ['mts', 'cts'] },
  'TypeScript 7, bundler': { compiler: 'current', flags: '--module esnext --moduleResolution bundler', files: ['mts'] },
  'TypeScript 5.6, nodenext': { compiler: 'oldest', flags: '--module nodenext', files: ['mts'] },
  'TypeScript 5.6, bundler': {
    compiler: 'oldest',
    flags: '--module esnext --moduleResolution bundler',
    files: ['mts'],
  },
  'TypeScript 5.6, node10': {
    compiler: 'oldest',
    flags: '--module commonjs --moduleResolution node10 --esModuleInterop',
    files: ['cts'],
  },
} as const;

const COMPILERS = {
  oldest: 'node_modules/typescript/bin/tsc',
  current: resolve('node_modules/typescript/bin/tsc'),
} as const;

const packagesIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && !entry.name.startsWith('.'))
    .flatMap(({ name }) =>
      name.startsWith('@') ? packagesIn(join(folder, name)).map(inner => `${name}/${inner}`) : name,
    );

export class ScratchProject {
  readonly folder: string;
  /** The tarballs of the three packages. */
  readonly tarballs: readonly string[];

  private constructor(folder: string, tarballs: readonly string[]) {
    this.folder = folder;
    this.tarballs = tarballs;
  }

  /** Packs and installs everything. Rejects where an SDK brings along more than itself and its peer. */
  static async make(): Promise<ScratchProject> {
    const folder = mkdtempSync(join(tmpdir(), 'escrowmq-scratch-'));
    try {
      const project = new ScratchProject(folder, await pack(['broker', 'producer-sdk', 'consumer-sdk'], folder));
      await project.#install();
      return project;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async #install(): Promise<void> {
    const manifest = { name: 'scratch', private: true, type: 'module', allowScripts: { 'better-sqlite3': false } };
    writeFileSync(join(this.folder, 'package.json'), JSON.stringify(manifest));
    const install = (...packages: string[]): Promise<string> =>
      run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--silent', ...packages], this.folder);
    const [broker, ...sdks] = this.tarballs;
    await install(...sdks);
    const brought = packagesIn(join(this.folder, 'node_modules')).join(', ');
    if (brought !== '@escrowmq/consumer, @escrowmq/producer, kafkajs') {
      throw new Error(`The SDKs bring along more than themselves and kafkajs: ${brought}`);
    }
    const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    const drivers = DRIVERS.map(name => `${name}@${devDependencies[name]}`);
    await install(broker!, ...drivers, `typescript@${OLDEST_TYPESCRIPT}`, `@types/node@${OLDEST_NODE_TYPES}`);
    cpSync(PROGRAMS, this.folder, { recursive: true });
  }

  /** Uses both SDKs on this Node, loaded by `import` and by `require`, against the packed broker. Resolves with what was done. */
  async use(node: string, how: 'import' | 'require'): Promise<string> {
    const broker = await startPackedBroker(this.folder);
    try {
      const program = how === 'import' ? 'import.mjs' : 'require.cjs';
      const said = await run(node, ['--no-warnings', program, broker.url], this.folder);
      // A program whose promises are never settled ends early and with success.
      if (!said.endsWith('done\n')) throw new Error(`${program} on ${node} did not come to its end: ${said}`);
      return said.replace(/\ndone\n$/, '');
    } finally {
      await broker.stop();
    }
  }

  /** Rejects with the compiler's words where a type test fails. Declarations are checked too, as far as they are ours. */
  async typeCheck(compilation: keyof typeof COMPILATIONS): Promise<void> {
    const { compiler, flags, files } = COMPILATIONS[compilation];
    const programs = readdirSync(this.folder).filter(name => files.some(end => name.endsWith(`-types.${end}`)));
    const args = [
      '--noEmit',
      '--declaration',
      '--strict',
      '--target',
      'es2023',
      '--types',
      'node',
      ...flags.split(' '),
      ...programs,
    ];
    const said = await this.#compile(compiler, args);
    // Some drivers' declarations need a newer compiler than ours do.
    const faults = said.filter(line => !/^node_modules\/(?!@escrowmq\/)/.test(line));
    if (faults.length > 0) throw new Error(`${compilation} finds faults:\n${faults.join('\n')}`);
  }

  /** Rejects where an SDK uses what the oldest Node that it promises to run on does not have, as far as types can tell. */
  async typeCheckForOldestNode(): Promise<void> {
    for (const sdk of ['producer-sdk', 'consumer-sdk']) {
      const typeRoots = join(this.folder, 'node_modules/@types');
      const faults = await this.#compile('current', ['--noEmit', '-p', resolve(sdk), '--typeRoots', typeRoots]);
      if (faults.length > 0) throw new Error(`${sdk} does not fit Node ${OLDEST_NODE_TYPES}:\n${faults.join('\n')}`);
    }
  }

  /** The faults, one a line. */
  async #compile(compiler: keyof typeof COMPILERS, args: readonly string[]): Promise<string[]> {
    const plain = ['--pretty', 'false', ...args];
    const compile = resolve(this.folder, COMPILERS[compiler]);
    const { hasSucceeded, said, complaint } = await attempt(process.execPath, [compile, ...plain], this.folder);
    if (!hasSucceeded && said === '') throw new Error(`The compiler did not come to its end: ${complaint}`);
    // Lines that go on with the one before begin with blanks.
    return said === '' ? [] : said.trimEnd().split(/\n(?! )/);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The recipes as a reader has them: installed from their lock file, with the packed producer SDK beside them. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { run } from '../../tools/packages/command.ts';
import { pack } from '../../tools/packages/packing.ts';
import { temporaryFolder } from './store.ts';

const execute = promisify(execFile);

/** How npm says that it reaches no registry. */
const UNREACHABLE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT/;
const NPM = [
  'ci',
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  '--prefer-offline',
  '--loglevel=error',
  '--fetch-retries=1',
];

export class RecipeProject {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Removed with the test. A sentence instead of it where packages cannot be had. */
  static async make(t: Test): Promise<RecipeProject | string> {
    const root = temporaryFolder(t);
    const folder = join(root, 'examples/recipes');
    const leftOut = ['node_modules', 'generated'];
    cpSync('examples/recipes', folder, { recursive: true, filter: path => !leftOut.includes(basename(path)) });
    const sdk = join(root, 'producer-sdk');
    mkdirSync(sdk);
    const install = async (): Promise<string | null> => {
      try {
        await run('npm', NPM, folder);
        return null;
      } catch (error) {
        if (!UNREACHABLE.test(String(error))) throw error;
        return 'npm reaches no registry';
      }
    };
    const [tarballs, missing] = await Promise.all([pack(['producer-sdk'], root), install()]);
    if (missing !== null) return missing;
    await run('tar', ['-xzf', tarballs[0]!, '-C', sdk, '--strip-components', '1'], root);
    const project = new RecipeProject(folder);
    await project.#generate();
    return project;
  }

  /** Prisma's client. Its command wants an engine for migrations, which is fetched from elsewhere and not used here. */
  async #generate(): Promise<void> {
    const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' };
    for (const schema of ['prisma-postgresql.prisma', 'prisma-mariadb.prisma']) {
      const args = ['node_modules/prisma/build/index.js', 'generate', '--schema', schema];
      await execute(process.execPath, args, { cwd: this.folder, env, timeout: 120_000 });
    }
  }

  /** Rejects with the compiler's words. */
  async typeCheck(): Promise<void> {
    await run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', '.'], this.folder);
  }

  /** A module of the project, in this process. */
  // biome-ignore lint/suspicious/noExplicitAny: its types are those of packages that are not installed here.
  load(name: string): Promise<any> {
    return import(pathToFileURL(join(this.folder, name)).href);
  }
}

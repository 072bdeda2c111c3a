/** A Python package from PyPI, in an environment of its own that is kept for the next run. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../../tools/kafka/jars.ts';

const run = promisify(execFile);

const OLDEST_PYTHON = 11;

const whyNoPython = (): string | false => {
  try {
    const minor = execFileSync('python3', ['-c', 'import sys; print(sys.version_info.minor)'], { encoding: 'utf8' });
    return Number(minor) < OLDEST_PYTHON && `python3 is older than 3.${OLDEST_PYTHON}`;
  } catch {
    return 'there is no python3';
  }
};

/** For the options of a test that runs a program in Python: `t.test(name, needsPython, …)`. */
export const needsPython = { skip: whyNoPython() };

const INSTALL_WITHIN_MS = 180_000;

/** `bin`: the folder with the package's commands and its `python`. `missing`: a sentence why it cannot be had, or false. */
export const pythonPackage = async (
  name: string,
  version: string,
): Promise<{ bin: string; missing: string | false }> => {
  const environment = join(cacheFolder(), 'python', `${name}-${version}`);
  const marker = join(environment, 'complete');
  const bin = join(environment, 'bin');
  if (existsSync(marker)) return { bin, missing: false };
  try {
    await run('python3', ['-m', 'venv', '--clear', environment]);
    await run(join(bin, 'pip'), ['install', '--quiet', '--disable-pip-version-check', `${name}==${version}`], {
      timeout: INSTALL_WITHIN_MS,
    });
    await run('touch', [marker]);
    return { bin, missing: false };
  } catch (error) {
    return { bin, missing: `${name} ${version} cannot be had from PyPI: ${(error as Error).message.split('\n')[0]}` };
  }
};

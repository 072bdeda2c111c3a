/** Commands of other programs: npm, compilers, other versions of Node. */
import { execFile } from 'node:child_process';

/** Nothing here takes longer unless it hangs. */
const WITHIN_MS = 240_000;

interface Attempt {
  readonly hasSucceeded: boolean;
  /** Everything that it wrote to stdout. */
  readonly said: string;
  /** The same to stderr, or why it could not be run to its end. */
  readonly complaint: string;
}

/** Resolves however the command ended. */
export const attempt = (command: string, args: readonly string[], cwd: string): Promise<Attempt> =>
  new Promise(resolve => {
    const options = { cwd, encoding: 'utf8', timeout: WITHIN_MS, maxBuffer: 2 ** 26 } as const;
    execFile(command, args, options, (error, said, complaint) => {
      const hasEnded = error === null || typeof error.code === 'number';
      resolve({ hasSucceeded: error === null, said, complaint: hasEnded ? complaint : `${complaint}${error.message}` });
    });
  });

/** Resolves with what the command wrote to stdout; rejects with everything it wrote where it failed. */
export const run = async (command: string, args: readonly string[], cwd: string): Promise<string> => {
  const { hasSucceeded, said, complaint } = await attempt(command, args, cwd);
  if (hasSucceeded) return said;
  throw new Error(`${command} ${args.join(' ')} failed:\n${said}${complaint}`.trimEnd());
};

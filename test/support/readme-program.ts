/** Programs as READMEs print them: the first block of JavaScript below the heading “Ten lines”. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import type { ScratchProject } from '../../tools/packages/scratch-project.ts';

/** What a README says where a reader's own broker and Kafka are; nothing else of a program is replaced. */
const PRINTED = { broker: 'http://127.0.0.1:7400', kafka: '127.0.0.1:9092' };

/** Null: the page has no such heading. Throws where there is no program below it. */
export const programIn = (markdown: string): string | null => {
  const [, heading, section] = /^(#+) Ten lines *$([\s\S]*)/m.exec(markdown) ?? [];
  if (heading === undefined) return null;
  // The section ends with the next heading of its level or above; a `#` inside a block is none.
  const blocks = section!.matchAll(/^```(\w*)\n([\s\S]*?)^```$|^(#+) /gm);
  for (const [, language, text, next] of blocks) {
    if (next !== undefined && next.length <= heading.length) break;
    if (language === 'js') return text!;
  }
  throw new Error('below “Ten lines” is no block of js');
};

export interface Addresses {
  readonly broker: string;
  readonly kafka: string;
}

export interface RunningProgram {
  /** Where it runs: its own folder. */
  readonly folder: string;
  /** What it has written so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line that fits, as soon as it is written; rejects with everything where the program ends without it. */
  line(pattern: RegExp): Promise<string>;
  /** Resolves with the exit code. */
  ended(): Promise<number | null>;
  /** Asks it to end, by SIGTERM, and resolves with the exit code. */
  stop(): Promise<number | null>;
}

/** Starts the text as `program.mjs` in a folder of its own inside the project; killed with the test if it still runs then. */
export const startProgram = (t: Test, project: ScratchProject, text: string, addresses: Addresses): RunningProgram => {
  const folder = mkdtempSync(join(project.folder, 'program-'));
  const real = text.replaceAll(PRINTED.broker, addresses.broker).replaceAll(PRINTED.kafka, addresses.kafka);
  writeFileSync(join(folder, 'program.mjs'), real);
  const child = spawn(process.execPath, ['program.mjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const complaints: string[] = [];
  child.stderr.on('data', chunk => complaints.push(String(chunk)));
  const output = createInterface({ input: child.stdout });
  output.on('line', line => lines.push(line));
  const closed = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  const everything = (): string => [...lines, ...complaints].join('\n');
  const ended = async (): Promise<number | null> => {
    const [code] = await closed;
    if (code !== 0) t.comment(everything());
    return code;
  };
  return {
    folder,
    lines,
    line: pattern =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find(line => pattern.test(line));
          if (found !== undefined) resolve(found);
        };
        look();
        output.on('line', look);
        closed.then(() => reject(new Error(`It ended without ${pattern}:\n${everything()}`)), reject);
      }),
    ended,
    stop: () => {
      child.kill('SIGTERM');
      return ended();
    },
  };
};

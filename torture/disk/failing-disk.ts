/** A disk that refuses writes and flushes: the broker must say so, end, and know everything afterwards. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ProofOptions } from '../proof.ts';
import { DiskTrial } from './disk-trial.ts';
import { runProgram } from './system-programs.ts';
import { type Injection, Tracer } from './tracer.ts';

/** Each is one life of a broker. */
export type Failure =
  | (Pick<Injection, 'call' | 'when'> & { readonly file: 'escrowmq.db-wal' | 'escrowmq.db' })
  /** No file may grow beyond that. */
  | { readonly mostBytes: number };

export interface FailingDisk {
  readonly anomalies: readonly string[];
  /** From the first failed call to the end of the process, milliseconds, where it was measured. */
  readonly survivedMs: readonly number[];
  readonly failures: number;
  readonly acknowledged: number;
}

const EACH = 100;
/** With these the WAL and a checkpoint grow quickly. */
const LARGE = { producers: 4, payloadBytes: 50_000 };
/** The longest way is that to a checkpoint. */
const FAILS_WITHIN_MS = 30_000;
const FATAL = 60;

const nameOf = (failure: Failure): string =>
  'mostBytes' in failure
    ? `files of at most ${failure.mostBytes} bytes`
    : `EIO from ${failure.call} ${failure.when} of ${failure.file}`;

export const failDisk = async (
  failures: readonly Failure[],
  { folder, fault, say }: ProofOptions,
): Promise<FailingDisk> => {
  const here = join(folder, 'failing');
  mkdirSync(here);
  const dataDir = join(here, 'data');
  const trial = await DiskTrial.open({ dataDir, folder: here, fault });
  const anomalies: string[] = [];
  const survivedMs: number[] = [];
  const fail = async (failure: Failure): Promise<void> => {
    const { pid, log } = trial.broker;
    const logged = log.length;
    let tracer: Tracer | null = null;
    if ('mostBytes' in failure) {
      runProgram('prlimit', ['--pid', String(pid), `--fsize=${failure.mostBytes}`]);
    } else {
      const injection = { ...failure, file: join(dataDir, failure.file), what: 'error=EIO' } as const;
      tracer = await Tracer.attach(pid, injection, join(here, 'strace'));
    }
    const isAboutCommits = 'call' in failure && failure.file === 'escrowmq.db-wal';
    const more = isAboutCommits ? null : trial.startLoad(LARGE);
    const isEnded = await trial.ends(isAboutCommits ? undefined : FAILS_WITHIN_MS);
    await tracer?.detach();
    if (!isEnded && tracer?.isReached() === false) throw new Error(`there was no ${nameOf(failure)}`);
    const isTold = log.slice(logged).some(({ level }) => level === FATAL);
    if (!isEnded) anomalies.push(`the broker went on after ${nameOf(failure)}`);
    else if (!isTold) anomalies.push(`the broker ended without a word after ${nameOf(failure)}`);
    const tookMs = tracer?.survivedMs() ?? null;
    if (tookMs !== null && isEnded) survivedMs.push(tookMs);
    await trial.restart();
    say(`P13: ${nameOf(failure)}; ended after ${tookMs ?? '?'} ms; ${trial.acknowledged} acknowledgements`);
    await more?.stop();
  };
  try {
    trial.startLoad();
    for (const failure of failures) {
      await trial.acknowledges(EACH);
      if (anomalies.length === 0 && trial.wrong.length === 0) await fail(failure);
    }
    anomalies.push(...(await trial.judge()));
  } finally {
    await trial.close();
  }
  return { anomalies, survivedMs, failures: failures.length, acknowledged: trial.acknowledged };
};

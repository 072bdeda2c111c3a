/** P2: the broker killed at any instruction around a write, and at any other moment. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { DiskTrial } from '../disk/disk-trial.ts';
import { lackOf } from '../disk/system-programs.ts';
import { type Injection, Tracer } from '../disk/tracer.ts';
import type { Proof } from '../proof.ts';
import { Random } from '../random.ts';

type Point = Pick<Injection, 'call'> & { readonly file: 'escrowmq.db-wal' | 'escrowmq.db'; readonly when: number };

const range = (first: number, last: number, step = 1): number[] =>
  Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step);
/** Calls of one thread on one file. The database's own file is written by a checkpoint only. */
const points = (file: Point['file'], call: Point['call'], whens: readonly number[]): Point[] =>
  whens.map(when => ({ file, call, when }));

const SIZES = {
  short: {
    commits: [
      ...points('escrowmq.db-wal', 'pwrite64', [1, 2, 5, 10, 23, 60]),
      ...points('escrowmq.db-wal', 'fsync', [1, 4]),
    ],
    kills: 5,
    checkpoints: points('escrowmq.db', 'pwrite64', [3]),
  },
  full: {
    commits: [
      ...points('escrowmq.db-wal', 'pwrite64', range(1, 60)),
      ...points('escrowmq.db-wal', 'fsync', range(1, 20)),
    ],
    kills: 100,
    checkpoints: [...points('escrowmq.db', 'pwrite64', range(1, 1_001, 100)), ...points('escrowmq.db', 'fsync', [1])],
  },
} as const;

/** Acknowledgements of each broker before it is killed. */
const EACH = 20;
/** So long a broker lives at most between two random kills. */
const LIVES_MS = 200;
/** Of one on which something is injected; the longest way is that to a checkpoint. */
const REACHED_WITHIN_MS = 30_000;
const READY_WITHIN_MS = 2_000;
/** With these a checkpoint begins after some hundred transactions. */
const LARGE = { producers: 4, payloadBytes: 50_000 };

const checkIntegrity = (folder: string): string => {
  const db = new Database(join(folder, 'escrowmq.db'), { readonly: true, fileMustExist: true });
  try {
    return db.pragma('integrity_check', { simple: true }) as string;
  } finally {
    db.close();
  }
};

export const P2: Proof = {
  promise: 'P2',
  sentence: 'What was acknowledged survives kill -9 at any instruction around a write.',
  how: 'strace kills the broker under load at its n-th write or flush of the log, and of the database file while a checkpoint is carried out; besides it is killed at random moments; each time it is started on the same folder and SQLite checks the file; in the end all acknowledgements are held against what the broker knows',
  target: `every write and flush from the 1st to the 60th, 100 random kills; 0 lost, 0 corrupt, ready again within ${READY_WITHIN_MS / 1_000} s`,
  faults: [
    {
      name: 'acknowledge-before-commit',
      what: 'a group of commands is acknowledged 50 ms before its COMMIT',
      file: 'broker/store/sqlite-store.ts',
      from: `this.#writer.save(changes, named);
      this.#sql.commit.run();`,
      to: `this.#sql.rollback.run();
      setTimeout(() => {
        this.#sql.begin.run();
        this.#writer.save(changes, named);
        this.#sql.commit.run();
      }, 50);`,
    },
  ],
  lacks: () => lackOf('strace'),
  run: async ({ size, seed, fault, folder, say }) => {
    const { commits, kills, checkpoints } = SIZES[size];
    const random = new Random(seed);
    const dataDir = join(folder, 'data');
    const anomalies: string[] = [];
    const missed: string[] = [];
    let reached = 0;
    const trial = await DiskTrial.open({ dataDir, folder, fault });
    const startAgain = async (after: string): Promise<void> => {
      await trial.restart();
      await trial.acknowledges(EACH);
      const verdict = checkIntegrity(dataDir);
      if (verdict !== 'ok') anomalies.push(`the database is corrupt after ${after}: ${verdict}`);
      say(`P2: ${after}; ${trial.acknowledged} acknowledgements`);
    };
    const isWrong = (): boolean => anomalies.length > 0 || trial.wrong.length > 0;
    const killAt = async ({ file, call, when }: Point, load?: typeof LARGE): Promise<void> => {
      if (isWrong()) return;
      const injection = { call, file: join(dataDir, file), when: String(when), what: 'signal=SIGKILL' } as const;
      const tracer = await Tracer.attach(trial.broker.pid, injection, join(folder, 'strace'));
      const more = load && trial.startLoad(load);
      const isReached = await trial.ends(REACHED_WITHIN_MS);
      await tracer.detach();
      if (isReached) reached++;
      else missed.push(`${call} ${when} of ${file} was not reached.`);
      await startAgain(`${call} ${when} of ${file}`);
      await more?.stop();
    };
    try {
      trial.startLoad();
      for (const point of random.shuffle([...commits])) await killAt(point);
      for (let kill = 1; kill <= kills && !isWrong(); kill++) {
        await delay(random.below(LIVES_MS));
        await trial.broker.kill();
        await startAgain(`random kill ${kill}`);
      }
      for (const point of checkpoints) await killAt(point, LARGE);
      anomalies.push(...(await trial.judge()));
    } finally {
      await trial.close();
    }
    const slowest = Math.round(Math.max(0, ...trial.startsMs));
    if (slowest > READY_WITHIN_MS)
      missed.push(`Ready again within ${READY_WITHIN_MS} ms: it took up to ${slowest} ms.`);
    return {
      figures: {
        'killed at a chosen write or flush': reached,
        'killed at random': trial.startsMs.length - reached,
        acknowledged: trial.acknowledged,
        'slowest start, ms': slowest,
      },
      anomalies,
      missed,
    };
  },
};

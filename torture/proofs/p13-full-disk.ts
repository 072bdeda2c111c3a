/** P13: a disk that is full or fails. */
import { type FailingDisk, type Failure, failDisk } from '../disk/failing-disk.ts';
import { type FullDisk, fillDisk } from '../disk/full-disk.ts';
import { lackOf } from '../disk/system-programs.ts';
import type { Finding, Proof } from '../proof.ts';

const MIB = 1024 * 1024;
const FLUSHES = { file: 'escrowmq.db-wal', call: 'fsync', when: '3+' } as const;
const LIMIT = { mostBytes: 6 * MIB } as const;

const SIZES: Record<'short' | 'full', { failures: readonly Failure[]; held: number }> = {
  short: { failures: [FLUSHES, LIMIT], held: 100 },
  full: {
    failures: [
      FLUSHES,
      LIMIT,
      { ...FLUSHES, when: '1' },
      { ...FLUSHES, call: 'pwrite64', when: '7' },
      { ...FLUSHES, call: 'pwrite64', when: '50+' },
      { ...FLUSHES, file: 'escrowmq.db', when: '1' },
      { ...FLUSHES, file: 'escrowmq.db', call: 'pwrite64', when: '20' },
    ],
    held: 500,
  },
};
const TARGET = { refusedMs: 100, resumedMs: 5_000, survivedMs: 1_000 } as const;

const findingOf = (failing: FailingDisk, full: FullDisk | null): Finding => {
  const survivedMs = Math.max(0, ...failing.survivedMs);
  const late = (what: string, tookMs: number, mostMs: number): string[] =>
    tookMs > mostMs ? [`${what} within ${mostMs} ms: it took ${tookMs} ms.`] : [];
  return {
    figures: {
      'failures of the disk': failing.failures,
      'end after the first of them, ms at most': survivedMs,
      acknowledged: failing.acknowledged + (full?.acknowledged ?? 0),
      ...(full && {
        'resolutions accepted on the full disk': full.resolved,
        'slowest 507, ms': full.refusedMs,
        'resumed after, ms': full.resumedMs,
      }),
    },
    anomalies: [...failing.anomalies, ...(full?.anomalies ?? [])],
    missed: [
      ...late('An end on EIO', survivedMs, TARGET.survivedMs),
      ...late('507', full?.refusedMs ?? 0, TARGET.refusedMs),
      ...late('New transactions again', full?.resumedMs ?? 0, TARGET.resumedMs),
    ],
  };
};

export const P13: Proof = {
  promise: 'P13',
  sentence: 'On a full or failing disk the broker says so, loses nothing, and resumes.',
  how: 'writes and flushes fail with EIO (strace) or because of a limit on the size of files, and the broker is started again; a disk of 16 MB fills up under load until nothing new is accepted, what is held is committed, another program fills it to the last byte, then there is room again; all acknowledgements are held against what the broker knows',
  target: `0 lost; 507 within ${TARGET.refusedMs} ms, what was begun can end on the full disk; it resumes within ${TARGET.resumedMs / 1_000} s of room; on EIO it ends within ${TARGET.survivedMs / 1_000} s`,
  faults: [
    {
      name: 'swallow-ioerr',
      what: 'a failed write is taken for a full disk, and the broker goes on',
      file: 'broker/store/sqlite-store.ts',
      from: "error instanceof Database.SqliteError && error.code === 'SQLITE_FULL'",
      to: 'error instanceof Database.SqliteError && /^SQLITE_(FULL|IOERR)/.test(error.code)',
    },
    {
      name: 'no-reserve',
      what: 'new transactions may take the last of the disk',
      file: 'broker/coordinator/decisions.ts',
      from: 'if (isNearlyFull) return',
      to: 'if (isNearlyFull && false) return',
    },
  ],
  lacks: () => lackOf('mount', 'strace', 'prlimit'),
  run: async options => {
    const { failures, held } = SIZES[options.size];
    const failing = await failDisk(failures, options);
    return findingOf(failing, failing.anomalies.length > 0 ? null : await fillDisk(held, options));
  },
};

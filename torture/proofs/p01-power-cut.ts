/** P1: what was acknowledged is there after the power was cut. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DiskTrial } from '../disk/disk-trial.ts';
import { type FileSystem, MountedDisk } from '../disk/mounted-disk.ts';
import { hasProgram, lackOf } from '../disk/system-programs.ts';
import type { Finding, Proof, ProofOptions } from '../proof.ts';

const SIZES = {
  short: { cuts: { ext4: 2, xfs: 1 }, each: 500 },
  full: { cuts: { ext4: 50, xfs: 50 }, each: 10_000 },
} as const;

/** Many, so that many share a flush. */
const LOAD = { producers: 32, pauseMs: 0 };

interface Cuts {
  readonly anomalies: readonly string[];
  /** Acknowledgements before each. */
  readonly each: readonly number[];
}

const cutPower = async (kind: FileSystem, cuts: number, wanted: number, options: ProofOptions): Promise<Cuts> => {
  const folder = join(options.folder, kind);
  mkdirSync(folder);
  const disk = MountedDisk.make(kind, folder);
  const anomalies: string[] = [];
  const each: number[] = [];
  try {
    const trial = await DiskTrial.open({ dataDir: join(disk.path, 'data'), folder, fault: options.fault });
    try {
      trial.startLoad(LOAD);
      for (let cut = 1; cut <= cuts; cut++) {
        const before = trial.acknowledged;
        await trial.acknowledges(wanted);
        // What the cut before took away.
        if (trial.wrong.length > 0) break;
        each.push(trial.acknowledged - before);
        // Power is gone for everybody at once: a flush that the cut itself lets return must not become an answer.
        await trial.halt();
        disk.cutPower();
        await trial.broker.kill();
        await disk.remount();
        await trial.restart();
        options.say(`P1: ${kind}, cut ${cut}, ${trial.acknowledged} acknowledgements`);
      }
      anomalies.push(...(await trial.judge()));
    } finally {
      await trial.close();
    }
  } finally {
    await disk.remove();
  }
  return { anomalies, each };
};

const findingOf = (found: readonly Cuts[], skipped: readonly FileSystem[]): Finding => {
  const each = found.flatMap(one => one.each);
  return {
    figures: {
      'power cuts': each.length,
      'acknowledged before each, at least': each.length === 0 ? 0 : Math.min(...each),
      'acknowledged in all': each.reduce((sum, count) => sum + count, 0),
    },
    anomalies: found.flatMap(({ anomalies }) => anomalies),
    missed: skipped.map(kind => `${kind} was not tried: mkfs.${kind} is not here.`),
  };
};

export const P1: Proof = {
  promise: 'P1',
  sentence: 'A half message or a resolution that was acknowledged survives a power cut.',
  how: 'the file system under the data folder, an ext4 and an xfs, is shut down under load without flushing anything, the broker killed in the same moment, the file system mounted again and the broker started; the half messages and resolutions it then knows are held against every acknowledgement',
  target: '100 cuts with 10,000 acknowledgements before each, 0 lost',
  faults: [
    {
      name: 'synchronous-normal',
      what: 'synchronous=NORMAL: a commit does not wait for the disk',
      file: 'broker/store/sqlite-database.ts',
      from: "db.pragma('synchronous = FULL');",
      // Only after the store has read it back: it refuses to start with it.
      to: "db.pragma('synchronous = FULL'); setImmediate(() => db.pragma('synchronous = NORMAL'));",
    },
  ],
  lacks: () => lackOf('mount', 'losetup', 'mkfs.ext4', 'perl'),
  run: async options => {
    const { cuts, each } = SIZES[options.size];
    const kinds = (Object.keys(cuts) as (keyof typeof cuts)[]).filter(kind => hasProgram(`mkfs.${kind}`));
    const found: Cuts[] = [];
    for (const kind of kinds) {
      found.push(await cutPower(kind, cuts[kind], each, options));
      if (found.at(-1)!.anomalies.length > 0) break;
    }
    return findingOf(
      found,
      (Object.keys(cuts) as FileSystem[]).filter(kind => !hasProgram(`mkfs.${kind}`)),
    );
  },
};

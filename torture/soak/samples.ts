/** How a broker does while it runs, from /proc and its folder; and what of that grows. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rssBytes } from '../../bench/process-usage.ts';
import type { BrokerProcess } from '../../test/support/broker-process.ts';

export const MOST_WAL_BYTES = 256 * 2 ** 20;
/** The file may take so much of what was written, once; the rest must go where something was deleted. */
const FILE_SHARE = 0.5;

export interface Sample {
  /** Since the first one. */
  readonly seconds: number;
  readonly rssBytes: number;
  readonly walBytes: number;
  readonly fileBytes: number;
  readonly descriptors: number;
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

export const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

export class Samples {
  readonly all: Sample[] = [];
  readonly #broker: BrokerProcess;
  readonly #began = performance.now();

  constructor(broker: BrokerProcess) {
    this.#broker = broker;
  }

  take(): Sample {
    const { pid, dataDir } = this.#broker;
    const file = join(dataDir, 'escrowmq.db');
    const sample = {
      seconds: (performance.now() - this.#began) / 1_000,
      rssBytes: rssBytes(pid),
      walBytes: sizeOf(`${file}-wal`),
      fileBytes: sizeOf(file),
      descriptors: descriptorsOf(pid),
    };
    this.all.push(sample);
    return sample;
  }

  /** The largest there was, in the part of the time from `from` to `to` (0: its beginning, 1: its end). */
  most(name: keyof Sample, from = 0, to = 1): number {
    const { length } = this.all;
    const part = this.all.slice(Math.floor(length * from), Math.ceil(length * to));
    return part.reduce((most, sample) => Math.max(most, sample[name]), 0);
  }
}

/** By how much a second it grows: the slope of the line with the least squares. */
export const slopeOf = (samples: readonly Sample[], name: keyof Sample): number => {
  const mean = (value: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + value(sample), 0) / samples.length;
  const [middle, level] = [mean(({ seconds }) => seconds), mean(sample => sample[name])];
  const spread = mean(({ seconds }) => (seconds - middle) ** 2);
  return spread === 0 ? 0 : mean(sample => (sample.seconds - middle) * (sample[name] - level)) / spread;
};

/** What of the samples may not be; `written`: bytes of payloads. */
export const judgeSamples = (samples: Samples, written: number): string[] => {
  const anomalies = [];
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  const wal = samples.most('walBytes');
  if (wal >= MOST_WAL_BYTES) anomalies.push(`the WAL grew to ${mebibytes(wal)}`);
  const file = samples.most('fileBytes');
  if (file > written * FILE_SHARE)
    anomalies.push(`of ${mebibytes(written)} written and deleted the file kept ${mebibytes(file)}`);
  return anomalies;
};

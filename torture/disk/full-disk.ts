/** A disk that fills up, first by the broker's own doing, then to the brim by somebody else's; and gets room again. */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../../test/support/broker-process.ts';
import { commit, list, prepare } from '../../test/support/transactions.ts';
import type { ProofOptions } from '../proof.ts';
import { DiskTrial } from './disk-trial.ts';
import { MountedDisk } from './mounted-disk.ts';

const MIB = 1024 * 1024;
const DISK_BYTES = 16 * MIB;
const GROUP = 'held';
/** Few, since they repeat refused calls without a pause to speak of. */
const LOAD = { producers: 4, pauseMs: 2, payloadBytes: 30_000 };
/** New transactions are refused for so long: what a checkpoint gives back is used up. */
const REFUSED_FOR_MS = 1_500;
const FILLS_WITHIN_MS = 120_000;
const ROOM_AGAIN_WITHIN_MS = 30_000;

export interface FullDisk {
  readonly anomalies: readonly string[];
  /** Resolutions accepted while nothing new was. */
  readonly resolved: number;
  /** Slowest answer with 507, milliseconds. */
  readonly refusedMs: number;
  /** From the moment there is room to the first new transaction, milliseconds. */
  readonly resumedMs: number;
  readonly acknowledged: number;
}

/** Until not a byte more fits. */
const fill = (file: string): void => {
  const handle = openSync(file, 'w');
  try {
    for (let size = MIB; size >= 1; ) {
      try {
        writeSync(handle, Buffer.alloc(size));
      } catch {
        size = size > 1 ? Math.floor(size / 16) : 0;
      }
    }
  } finally {
    closeSync(handle);
  }
};

class Prober {
  readonly #trial: DiskTrial;
  #probes = 0;
  refusedMs = 0;
  readonly unexpected: string[] = [];

  constructor(trial: DiskTrial) {
    this.#trial = trial;
  }

  /** Whether something new was accepted. */
  async begins(): Promise<boolean> {
    const id = `probe-${this.#probes++}`;
    const answer = await this.#timed(prepare(this.#trial.broker, GROUP, id, { topic: 'transfers', payload: 'x' }));
    return this.#expect(`prepare ${id}`, answer, 201);
  }

  async commits(id: string): Promise<boolean> {
    return this.#expect(`commit ${id}`, await this.#timed(commit(this.#trial.broker, id)), 200);
  }

  async #timed(call: Promise<Answer>): Promise<Answer> {
    const began = performance.now();
    const answer = await call;
    if (answer.status === 507) this.refusedMs = Math.max(this.refusedMs, performance.now() - began);
    return answer;
  }

  #expect(call: string, { status, headers, body }: Answer, good: number): boolean {
    if (status === good) return true;
    const isTold = status === 507 && body.code === 'STORAGE_FULL' && headers.has('retry-after');
    if (!isTold) this.unexpected.push(`${call} was answered ${status} ${JSON.stringify(body)}`);
    return false;
  }
}

/** Begins it, however often that takes: on so small a disk the log alone may stand in the way for a moment. */
const holds = async (broker: DiskTrial['broker'], id: string): Promise<void> => {
  const deadline = performance.now() + FILLS_WITHIN_MS;
  for (;;) {
    const { status } = await prepare(broker, GROUP, id, { topic: 'transfers', payload: id });
    if (status < 300) return;
    if (status !== 507 || performance.now() > deadline) throw new Error(`${id} was answered ${status}`);
    await delay(5);
  }
};

/** Resolves when new transactions have been refused for a while. */
const fillsUp = async (prober: Prober): Promise<void> => {
  const deadline = performance.now() + FILLS_WITHIN_MS;
  for (let since = performance.now(); performance.now() - since < REFUSED_FOR_MS; ) {
    if (await prober.begins()) since = performance.now();
    if (performance.now() > deadline) throw new Error('the disk did not fill up in time');
  }
};

export const fillDisk = async (held: number, { folder, fault, say }: ProofOptions): Promise<FullDisk> => {
  const here = join(folder, 'full');
  mkdirSync(here);
  const disk = MountedDisk.make('tmpfs', here, DISK_BYTES);
  try {
    const trial = await DiskTrial.open({ dataDir: join(disk.path, 'data'), folder: here, fault });
    try {
      return await fillUnder(trial, disk, held, say);
    } finally {
      await trial.close();
    }
  } finally {
    await disk.remove();
  }
};

const fillUnder = async (
  trial: DiskTrial,
  disk: MountedDisk,
  held: number,
  say: ProofOptions['say'],
): Promise<FullDisk> => {
  const { broker } = trial;
  const prober = new Prober(trial);
  const anomalies: string[] = [];
  await broker.put(`/v1/producer-groups/${GROUP}`, {});
  const ids = Array.from({ length: 2 * held }, (_, i) => `held-${i}`);
  for (const id of ids) await holds(broker, id);
  trial.startLoad(LOAD);
  await fillsUp(prober);
  say(`P13: the disk is full after ${trial.acknowledged} acknowledgements`);
  const { status, body } = await broker.get('/readyz');
  if (status !== 200 || body.checks.store.status !== 'degraded') {
    anomalies.push(`/readyz was answered ${status} ${JSON.stringify(body.checks.store)} while new ones were refused`);
  }
  const first = ids.slice(0, held);
  let resolved = 0;
  for (const id of first) {
    if (await prober.commits(id)) resolved++;
    else anomalies.push(`${id}: its commit was refused, though the reserve is for that`);
  }
  const foreign = join(disk.path, 'foreign');
  fill(foreign);
  // Not a byte is left: either answer is right, but none of another kind, and what was acknowledged must stay.
  const acknowledged = [...first];
  for (const id of ids.slice(held)) if (await prober.commits(id)) acknowledged.push(id);
  rmSync(foreign);
  disk.resize(4 * DISK_BYTES);
  const began = performance.now();
  while (!(await prober.begins())) {
    if (performance.now() - began > ROOM_AGAIN_WITHIN_MS) throw new Error('there is room, and nothing is accepted');
  }
  const resumedMs = Math.round(performance.now() - began);
  for (const id of ids.slice(held)) if (!(await prober.commits(id))) anomalies.push(`${id}: refused with room left`);
  await trial.acknowledges(100);
  await trial.restart();
  anomalies.push(...(await trial.judge()), ...prober.unexpected);
  const states = new Map((await list(broker, `group=${GROUP}`)).map(({ id, state }) => [id, state]));
  for (const id of ids) if (states.get(id) !== 'committed') anomalies.push(`${id} is ${states.get(id)}, not committed`);
  const refusedMs = Math.round(prober.refusedMs);
  return { anomalies, resolved, refusedMs, resumedMs, acknowledged: trial.acknowledged + acknowledged.length };
};

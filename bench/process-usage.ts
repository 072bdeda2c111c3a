/** CPU, memory and disk use of processes, from /proc (Linux). */
import { readFileSync } from 'node:fs';
import type { Usage } from './system.ts';

/** `USER_HZ`, fixed on Linux. */
const TICKS_PER_SECOND = 100;
const SAMPLE_MS = 200;

const readOr = (file: string, otherwise: string): string => {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return otherwise;
  }
};

const cpuSeconds = (pid: number): number => {
  // The second field is the command in brackets and may hold spaces.
  const fields = readOr(`/proc/${pid}/stat`, '').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
};

const field = (file: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(readOr(file, ''))?.[1] ?? 0);

/** Resident set now; 0: there is no such process. */
export const rssBytes = (pid: number): number => field(`/proc/${pid}/status`, 'VmRSS') * 1024;
const writtenBytes = (pid: number): number => field(`/proc/${pid}/io`, 'write_bytes');

/** Starts measuring now; the function it returns ends it. */
export const measureUsage = (pids: Readonly<Record<string, number>>): (() => Record<string, Usage>) => {
  const names = Object.entries(pids);
  const before = names.map(([, pid]) => ({ cpu: cpuSeconds(pid), written: writtenBytes(pid), peak: rssBytes(pid) }));
  const timer = setInterval(() => {
    for (const [i, [, pid]] of names.entries()) before[i]!.peak = Math.max(before[i]!.peak, rssBytes(pid));
  }, SAMPLE_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    return Object.fromEntries(
      names.map(([name, pid], i) => {
        const { cpu, written, peak } = before[i]!;
        const usage: Usage = {
          cpuSeconds: Math.round((cpuSeconds(pid) - cpu) * 100) / 100,
          writtenBytes: writtenBytes(pid) - written,
          peakRssBytes: Math.max(peak, rssBytes(pid)),
        };
        return [name, usage];
      }),
    );
  };
};

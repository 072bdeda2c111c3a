/**
 * Nothing in a run happens because of the time, however slow the machine: what gives up after some time does so when the
 * run says so. Of the SDK's clock only the age of a prepare moves, and that at one stroke.
 */
import { clock } from '../../producer-sdk/clock.ts';

/** The SDK's patience with a fence lies between, everything of drivers and this folder outside. */
const SHORTEST_MS = 200;
const LONGEST_MS = 5_000;
const NEVER_MS = 3_600_000;
const TWO_HOURS_MS = 2 * 60 * 60 * 1_000;

/** For the whole process, which must be a test of nothing else. */
export const stopTime = (): void => {
  const real = globalThis.setTimeout;
  const stopped = (act: () => void, ms?: number, ...rest: unknown[]): NodeJS.Timeout => {
    const isPatience = ms !== undefined && ms >= SHORTEST_MS && ms <= LONGEST_MS;
    return real(act, isPatience ? NEVER_MS : ms, ...(rest as []));
  };
  globalThis.setTimeout = Object.assign(stopped, real) as typeof setTimeout;
  const moment = clock.monotonic();
  clock.monotonic = () => moment;
  setAge(false);
};

/** Whether everything that was ever sent was sent long ago, or just now. */
export const setAge = (isOld: boolean): void => {
  clock.ageMs = () => (isOld ? TWO_HOURS_MS : 0);
};

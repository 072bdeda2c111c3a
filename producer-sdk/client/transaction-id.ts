/**
 * Ids that sort by the time they were made, so that the broker's indexes grow at one end. 24 characters of base 32:
 * 9 of milliseconds (until the year 3084), 3 that count within one, 12 random (60 bits) that keep processes apart.
 */
import { randomFillSync } from 'node:crypto';
import { clock } from '../clock.ts';

const RADIX = 32;
const TIME_LENGTH = 9;
const COUNTER_LENGTH = 3;
const HALF_LENGTH = 6;
const COUNTER_END = RADIX ** COUNTER_LENGTH;
/** The lowest 30 bits: six characters. */
const HALF_MASK = RADIX ** HALF_LENGTH - 1;

/** Random numbers are fetched in bulk: one call costs as much as many. */
const pool = new Uint32Array(512);
let unused = 0;

let millisecond = 0;
let counter = 0;
let prefix = '';

const fixed = (value: number, length: number): string => value.toString(RADIX).padStart(length, '0');

const randomHalf = (): string => {
  if (unused === 0) {
    randomFillSync(pool);
    unused = pool.length;
  }
  unused -= 1;
  return fixed(pool[unused]! & HALF_MASK, HALF_LENGTH);
};

/** A new id, greater than every one this process made before. */
export const newTransactionId = (): string => {
  const now = clock.now();
  counter += 1;
  // A clock that was set back does not take the ids back; one that stands still lends from the next millisecond.
  if (now > millisecond || counter === COUNTER_END) {
    millisecond = Math.max(now, millisecond + 1);
    counter = 0;
    prefix = fixed(millisecond, TIME_LENGTH);
  }
  return prefix + fixed(counter, COUNTER_LENGTH) + randomHalf() + randomHalf();
};

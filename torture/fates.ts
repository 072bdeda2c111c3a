/** What is to befall a transfer. It stands in the id, so that every process and every log knows it. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

export const FATES = [
  'commit',
  /** The account does not have that much. */
  'refused',
  /** Prepared, and never heard of again: no local transaction, no second phase. */
  'vanish-before',
  /** The local transaction commits, and the broker is never told. */
  'vanish-after',
  /** The broker's reply to the commit is lost. */
  'swallow',
  /** The local transaction begins only after the broker has asked. */
  'late',
  /** The broker asks while the local transaction is open; not on SQLite, where it begins and ends in one turn. */
  'slow',
  /** Bank A is killed before it hears that the half message is stored, */
  'die-prepared',
  /** … before its local transaction begins, */
  'die-begin',
  /** … after it has committed, */
  'die-committed',
  /** … after the broker has heard the commit, before bank A hears so, */
  'die-told',
  /** … when it has found an answer to a check-back, before the broker hears it. */
  'die-checked',
  /** Bank B is killed before the effect, so late that an offset would have been committed that is told too early, */
  'die-crediting',
  /** … and between the effect and the offset's commit. */
  'die-credited',
] as const;
export type Fate = (typeof FATES)[number];

export const idOf = (number: number, fate: Fate): string => `t${number}-${fate}`;

export const fateOf = (id: string): Fate => id.replace(/^t\d+-/, '') as Fate;

/** Whether this happens to the id for the first time; in one folder that is so once, whichever processes ask. */
export const isFirst = (folder: string, id: string): boolean => {
  try {
    closeSync(openSync(join(folder, id), 'wx'));
    return true;
  } catch {
    return false;
  }
};

/** What goes wrong on purpose between the SDK and its database, to show that it would be noticed. */
import type { Fault } from './world.ts';

/** `R` is a promise where the database answers later. */
interface Sending<R> {
  readonly step: string;
  readonly params: readonly unknown[];
  run(): R;
  /** Another statement on the same connection. */
  ask(sql: string): unknown;
  /** As the driver gives rows. */
  shape(rows: readonly object[]): unknown;
}

/** The token of the claim that was made last: these families have one execution. */
let token = '';

/** Of better-sqlite3, of pg, of mysql2. */
const rowsOf = (result: unknown): readonly unknown[] => {
  if (!Array.isArray(result)) return (result as { rows: unknown[] }).rows;
  return Array.isArray(result[0]) ? result[0] : result;
};

/** Statements and results, one after another, as the fault has it. */
function* course(
  fault: Fault | null,
  { step, params, run, ask, shape }: Sending<unknown>,
): Generator<unknown, unknown> {
  if (step === 'claim') token = String(params.at(-1));
  const stands = shape([{ outcome: 'commit', token, mine: 1 }]);
  if (fault === 'check reads without writing') {
    if (step === 'verdict') return shape([]);
    const result = yield run();
    if (step !== 'read') return result;
    return rowsOf(result).length > 0 ? result : shape([{ outcome: 'rollback', token: 'nobody' }]);
  }
  if (fault === 'no verify' && step === 'verify') return stands;
  if (fault === 'claim in a savepoint') {
    if (step === 'claim') yield ask('savepoint planted');
    // Something in the savepoint failed, and was made good after it.
    if (step === 'write') yield ask('rollback to savepoint planted');
    if (step === 'verify') return stands;
  }
  return yield run();
}

/** Sends the step as the fault has it. */
export const faulty = async (fault: Fault | null, sending: Sending<Promise<unknown>>): Promise<unknown> => {
  const steps = course(fault, sending);
  let step = steps.next();
  while (!step.done) step = steps.next(await step.value);
  return step.value;
};

/** The same where the database answers at once. */
export const faultyAtOnce = (fault: Fault | null, sending: Sending<unknown>): unknown => {
  const steps = course(fault, sending);
  let step = steps.next();
  while (!step.done) step = steps.next(step.value);
  return step.value;
};

/** An act on many: the number first, a person's consent, how far it is, and what was refused. */
import {
  actOnAll,
  type BulkAct,
  type BulkOutcome,
  type BulkProgress,
  collectTargets,
  type Refusal,
  type Selection,
} from '../bulk-act.ts';
import { callOf } from './broker-client.ts';
import type { ExitCode } from './command.ts';
import { brokerAddress } from './command-line.ts';
import { UsageError } from './flags.ts';
import type { Input } from './input.ts';
import type { Terminal } from './terminal.ts';
import { counted, grouped, jsonLine, plain, Table } from './terminal-text.ts';

const NOUN: Record<BulkAct, string> = {
  commit: 'transaction',
  rollback: 'transaction',
  check: 'transaction',
  retry: 'parked message',
  discard: 'parked message',
};

/** Continues "1,234 ". */
const DONE: Record<BulkAct, string> = {
  commit: 'committed',
  rollback: 'rolled back',
  check: 'will be asked about',
  retry: 'sent again',
  discard: 'given up',
};

const REFUSAL_COLUMNS = [
  { title: 'REFUSED', of: ({ id }: Refusal) => id },
  { title: 'CODE', of: ({ code }: Refusal) => code },
  { title: 'WHY', of: ({ detail }: Refusal) => detail, isLoose: true },
] as const;

const BAR = 30;

const bar = ({ total, done, refused }: BulkProgress): string => {
  const filled = Math.floor((BAR * (done + refused)) / total);
  const refusals = refused === 0 ? '' : `, ${grouped(refused)} refused`;
  return `[${'#'.repeat(filled).padEnd(BAR)}] ${grouped(done + refused)} of ${grouped(total)}${refusals}`;
};

const summary = (act: BulkAct, { total, done, refusals, stopped }: BulkOutcome): string => {
  const left = total - done - refusals.length;
  const parts = [`${grouped(done)} ${DONE[act]}`];
  if (refusals.length > 0) parts.push(`${grouped(refusals.length)} refused`);
  if (left > 0) parts.push(`${grouped(left)} left`);
  return `${parts.join(', ')}.${stopped === null ? '' : ` ${plain(stopped)}`}\n`;
};

/** The acts, what became of them, and the exit code. An interruption lets the request in hand come to its end. */
export const settleNamed = async (
  act: BulkAct,
  ids: readonly string[],
  reason: string,
  input: Input,
  terminal: Terminal,
): Promise<ExitCode> => {
  const call = callOf(brokerAddress(input, terminal));
  const onProgress = (progress: BulkProgress): void => terminal.progress(bar(progress));
  onProgress({ total: ids.length, done: 0, refused: 0 });
  const outcome = await actOnAll(call, act, ids, reason, onProgress, terminal.interrupted);
  terminal.progress(null);
  if (input.isSet('json')) await terminal.write(jsonLine(outcome));
  else {
    await terminal.write(summary(act, outcome));
    if (outcome.refusals.length > 0) await new Table<Refusal>(REFUSAL_COLUMNS, terminal).write(outcome.refusals);
  }
  return outcome.refusals.length > 0 || outcome.stopped !== null ? 1 : 0;
};

/** Whether the number was typed; thousands may be written with commas. */
const isAgreed = async (count: number, ask: NonNullable<Terminal['ask']>): Promise<boolean> => {
  const answer = await ask('Type the number to go on: ');
  return answer.trim().replaceAll(',', '') === String(count);
};

/** Collects what fits, shows how much that is, and asks; then as `settleNamed`. */
export const settleAll = async (
  selection: Selection,
  reason: string,
  input: Input,
  terminal: Terminal,
): Promise<ExitCode> => {
  const { act } = selection;
  const { ask } = terminal;
  if (!input.isSet('yes') && ask === null)
    throw new UsageError('There is no terminal to ask on: say --yes to go on without a question.');
  const call = callOf(brokerAddress(input, terminal));
  const onFound = (count: number): void => terminal.progress(`${grouped(count)} found`);
  const { ids, found } = await collectTargets(call, selection, onFound, terminal.interrupted);
  terminal.progress(null);
  const most = found > ids.length ? `, of which these are the oldest: ${grouped(found)} fit` : '';
  terminal.remark(`${act}: ${counted(ids.length, NOUN[act])}${most}.`);
  if (ids.length === 0) {
    if (input.isSet('json')) await terminal.write(jsonLine({ total: 0, done: 0, refusals: [], stopped: null }));
    return 0;
  }
  if (!input.isSet('yes') && !(await isAgreed(ids.length, ask!))) {
    terminal.remark('That is not the number. Nothing was done.');
    return 1;
  }
  return settleNamed(act, ids, reason, input, terminal);
};

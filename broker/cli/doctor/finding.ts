/** One line of the doctor. */
export interface Finding {
  readonly check: string;
  /** `warn`: it works, and should not stay so. */
  readonly status: 'ok' | 'warn' | 'fail';
  /** A sentence. */
  readonly detail: string;
  /** What to do; null: nothing. */
  readonly advice: string | null;
}

export const ok = (check: string, detail: string): Finding => ({ check, status: 'ok', detail, advice: null });

export const warn = (check: string, detail: string, advice: string): Finding => ({
  check,
  status: 'warn',
  detail,
  advice,
});

export const fail = (check: string, detail: string, advice: string): Finding => ({
  check,
  status: 'fail',
  detail,
  advice,
});

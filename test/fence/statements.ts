/** Which step of the protocol a statement is, by its text. */

/** Null: nothing that others could notice. */
export const stepOf = (text: string, params: readonly unknown[] = []): string | null => {
  if (/^begin|^set @escrow_autocommit = [^,]*, session autocommit = 0/.test(text)) return 'begin';
  // The transaction ends and another one begins, so its locks are gone.
  if (/^select 1; rollback; begin|^call lose|^rollback; begin/.test(text)) return 'lose';
  if (/^rollback to savepoint mine/.test(text)) return 'undo';
  if (/^commit/.test(text)) return 'COMMIT';
  if (/^rollback$/.test(text)) return 'ROLLBACK';
  if (/into effect\b/.test(text)) return 'write';
  if (/deadlock/.test(text)) return 'deadlock';
  if (!/escrow_fence/.test(text)) return null;
  if (/insert into/.test(text)) return params.includes('commit') ? 'claim' : 'verdict';
  if (/^select outcome, token, .*mine/.test(text)) return 'verify';
  if (/^select outcome, token/.test(text)) return 'read';
  if (/^select transaction_id, outcome/.test(text)) return 'read all';
  if (/^select transaction_id from .*settled_at is null/.test(text)) return 'rows to mark';
  if (/^select transaction_id from .*settled_at </.test(text)) return 'rows to forget';
  if (/^update .*settled_at = null/.test(text)) return 'unmark';
  if (/^update/.test(text)) return 'mark';
  if (/^delete .*settled_at is not null/.test(text)) return 'forget';
  return null;
};

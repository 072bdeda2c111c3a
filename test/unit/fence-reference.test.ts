/** docs/fence.md prints the statements that the producer SDK sends. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { statementsPart } from '../../tools/fence-reference/statements.ts';
import { withPart } from '../../tools/generated-part.ts';

t.test('the page is up to date', async t => {
  const page = readFileSync('docs/fence.md', 'utf8');
  t.ok(page === withPart(page, 'statements', statementsPart()), 'npm run fence-reference writes it');
  t.match(page, /insert into escrow_fence \(producer_group, transaction_id, branch, op, outcome, token, created_at\)/);
});

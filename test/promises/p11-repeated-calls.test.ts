/** Any call may be repeated; and the model of the contract sees an answer that diverges. */
import t from 'tap';
import { ASKABLE, RepeatModel, type RepeatRequest } from '../../torture/model/repeat-model.ts';
import { P11 } from '../../torture/proofs/p11-repeated-calls.ts';
import { testProof } from '../support/proof.ts';

const at = '2026-01-01T00:00:00.000Z';
const request = (kind: RepeatRequest['kind'], more: Partial<RepeatRequest> = {}): RepeatRequest => ({
  ...{ kind, id: 't', group: ASKABLE, content: 0, reason: null },
  ...more,
});

t.test('the model of the contract finds what diverges, and nothing else', async t => {
  const model = new RepeatModel();
  const prepare = request('prepare');
  const prepared = { state: 'prepared', group: ASKABLE, resolvedBy: null, preparedAt: at, resolvedAt: null };
  t.equal(model.take(request('commit')), 'TRANSACTION_NOT_FOUND');
  t.equal(model.take(prepare), null);
  t.equal(model.judge(prepare, null, { status: 201, body: prepared }), null);
  t.equal(model.judge(prepare, null, { status: 200, body: prepared }), null);
  const later = { ...prepared, preparedAt: '2026-01-01T00:00:00.001Z' };
  t.match(model.judge(prepare, null, { status: 200, body: later }), /preparedAt .* was told as/);
  t.match(model.judge(prepare, null, { status: 409, body: { code: 'ID_TAKEN' } }), /must be taken/);
  t.equal(model.take(request('prepare', { content: 1 })), 'EXISTS_WITH_DIFFERENT_CONTENT');
  t.equal(model.take(request('prepare', { group: 'alone' })), 'ID_TAKEN');
  const commit = request('commit');
  const committed = { ...prepared, state: 'committed', resolvedBy: 'producer', resolvedAt: at };
  for (const _ of [1, 2]) {
    t.equal(model.take(commit), null);
    t.equal(model.judge(commit, null, { status: 200, body: committed }), null);
  }
  t.match(
    model.judge(commit, null, { status: 200, body: { ...committed, resolvedBy: 'check' } }),
    /resolvedBy is check/,
  );
  const rollback = request('rollback');
  t.equal(model.take(rollback), 'ALREADY_COMMITTED');
  t.match(model.judge(rollback, 'ALREADY_COMMITTED', { status: 200, body: committed }), /must be refused/);
});

testProof(P11);

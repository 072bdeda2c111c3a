/** No half message is forgotten, in a thousand worlds that go wrong; and the judge of a world sees what was. */
import t from 'tap';
import { MemoryDisk } from '../../torture/model/memory-disk.ts';
import { unaccounted } from '../../torture/model/resolution-laws.ts';
import { judgeWorld } from '../../torture/model/world-judge.ts';
import { drawWorld } from '../../torture/model/world-plan.ts';
import { P6 } from '../../torture/proofs/p06-nothing-forgotten.ts';
import { testProof } from '../support/proof.ts';

t.test('the accounts', async t => {
  const accounts = { accepted: 5, purged: 1, 'messages.held': 2, 'messages.forwarded': 2 };
  t.equal(unaccounted(new Map(Object.entries(accounts))), null);
  t.match(unaccounted(new Map(Object.entries({ ...accounts, 'messages.held': 1 }))), /5 messages .* 4 are accounted/);
  t.match(unaccounted(new Map(Object.entries({ ...accounts, accepted: 4, 'messages.ready': -1 }))), /ready -1/);
});

t.test('the judge of a world finds what is lost, and what nobody committed', async t => {
  const plan = { ...drawWorld(1), retentionMs: Number.MAX_SAFE_INTEGER };
  const [{ id, messages }] = plan.transactions as [(typeof plan.transactions)[number]];
  const told = new Map([[id, { isPrepared: true, state: 'committed', resolvedAt: 1 }]]);
  const evidence = { plan, disk: new MemoryDisk(), told, fence: new Map([[id, 'commit' as const]]), written: [] };
  t.match(judgeWorld(evidence)[0], /was acknowledged, and is lost/);
  t.match(judgeWorld(evidence)[1], /is committed, and not in Kafka/);
  const { topic } = messages[0]!;
  const record = { key: null, value: null, headers: [['ce_id', Buffer.from(`${id}.0`)] as const] };
  const written = [{ topic, partition: 0, offset: 0, record }];
  t.match(judgeWorld({ ...evidence, told: new Map(), fence: new Map(), written }), [/nobody committed it/]);
});

testProof(P6);

/** P17 at its short size, and its judges alone. */
import t from 'tap';
import { judgeAsking, judgeGauges } from '../../torture/clocks/judge.ts';
import { P17 } from '../../torture/proofs/p17-clocks.ts';
import { testProof } from '../support/proof.ts';

t.setTimeout(240_000);

t.test('the judges find a storm, a false unresolved and an age below nothing', async t => {
  const good = { id: 'a', state: 'prepared', unresolved: false, check: { attempts: 2 } };
  const judge = (seen: object, asks: number): string[] =>
    judgeAsking(
      { intervalMs: 1_000, undecided: [{ ...good, ...seen }] },
      { asked: Array<string>(asks).fill('a'), tookMs: 3_000, forward: 1 },
    );
  t.same(judge({}, 6), []);
  t.match(judge({}, 7), [/a was asked 7 times in 3000 ms, 6 at most were due/]);
  t.match(judge({ unresolved: true }, 2), [/a is given up as unresolved after 2 answers/]);
  t.match(judge({ state: 'rolled_back' }, 2), [/a is undecided, and is rolled_back/]);
  t.match(judge({}, 1), [/asked 1 times, and 2 answers are counted/]);
  const gauges = new Map([
    ['escrowmq_oldest_age_seconds{what="prepared"}', -3],
    ['escrowmq_kafka_up', 1],
  ]);
  t.same(judgeGauges(gauges), ['escrowmq_oldest_age_seconds{what="prepared"} is -3']);
});

testProof(P17);

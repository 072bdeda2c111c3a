/** P18 at its short size, and its arithmetic alone. */
import t from 'tap';
import { P18 } from '../../torture/proofs/p18-days.ts';
import { judgeSamples, type Sample, Samples, slopeOf } from '../../torture/soak/samples.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { testProof } from '../support/proof.ts';

t.setTimeout(240_000);

const MIB = 2 ** 20;
const calm: Sample = { seconds: 0, rssBytes: 0, walBytes: 40 * MIB, fileBytes: 90 * MIB, descriptors: 30 };

t.test('what grows is found, and what only breathes is not', async t => {
  const line = [0, 1, 2, 3].map(seconds => ({ ...calm, seconds, rssBytes: 5 + 3 * seconds }));
  t.equal(slopeOf(line, 'rssBytes'), 3);
  t.equal(slopeOf(line, 'walBytes'), 0);
  const judge = (...all: Sample[]): string[] => {
    const samples = new Samples({} as BrokerProcess);
    samples.all.push(...all);
    return judgeSamples(samples, 400 * MIB);
  };
  t.same(judge(calm, calm), []);
  t.match(judge(calm, { ...calm, walBytes: 256 * MIB }), [/the WAL grew to 256 MiB/]);
  t.match(judge(calm, { ...calm, fileBytes: 201 * MIB }), [/of 400 MiB written and deleted the file kept 201 MiB/]);
  const samples = new Samples({} as BrokerProcess);
  samples.all.push(calm, { ...calm, descriptors: 40 }, calm);
  t.same([samples.most('descriptors'), samples.most('descriptors', 2 / 3)], [40, 30]);
});

testProof(P18);

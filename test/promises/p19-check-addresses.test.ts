/** P19 at its short size, and the faults that it must find. */
import t from 'tap';
import { Traps } from '../../torture/check-addresses/traps.ts';
import { P19 } from '../../torture/proofs/p19-check-addresses.ts';
import { testProof } from '../support/proof.ts';

// The library's own half minute is for the whole file; a loaded machine needs more.
t.setTimeout(300_000);

t.test('a trap sees whoever arrives, by any address of this machine', async t => {
  const traps = new Traps();
  t.teardown(() => traps.close());
  const port = (await traps.set('0.0.0.0', 0))!;
  for (const host of ['127.0.0.1', '127.0.0.2', '0.0.0.0', '2130706434']) {
    await t.rejects(fetch(`http://${host}:${port}/`), host);
  }
  t.same(
    traps.caught,
    ['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.2'].map(address => `${address}:${port}`),
  );
  await t.rejects(traps.set('0.0.0.0', port), { code: 'EADDRINUSE' });
  t.equal(await traps.set('192.0.2.1', 0), null, 'an address that is not there');
});

testProof(P19);

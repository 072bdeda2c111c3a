/** `npm run http-reference`: writes the calls into docs/http.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { withPart } from './generated-part.ts';
import { callsPage } from './http-reference/page.ts';
import { takeSamples } from './http-reference/samples.ts';

const PAGE = 'docs/http.md';

const atTheEnd: (() => unknown)[] = [];
try {
  const samples = await takeSamples({ teardown: act => void atTheEnd.unshift(act) });
  writeFileSync(PAGE, withPart(readFileSync(PAGE, 'utf8'), 'calls', callsPage(samples)));
  console.log(PAGE);
} finally {
  for (const act of atTheEnd) await act();
}

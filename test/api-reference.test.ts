/** The pages of docs/api say what the SDKs export today. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { REFERENCES, reference } from '../tools/api/reference.ts';

for (const page of Object.keys(REFERENCES) as (keyof typeof REFERENCES)[]) {
  t.test(page, async t => {
    const wanted = await reference(page);
    t.ok(readFileSync(page, 'utf8') === wanted, `${page} is up to date (npm run api writes it)`);
    const anchors = [...wanted.matchAll(/<a id="([^"]+)">/g)].map(match => match[1]!);
    t.equal(new Set(anchors).size, anchors.length, 'no anchor is there twice');
    const links = [...wanted.matchAll(/\]\(#([^)]+)\)/g)].map(match => match[1]!);
    t.same(
      links.filter(link => !anchors.includes(link)),
      [],
      'links lead somewhere',
    );
    t.ok(links.length > 20);
  });
}

/**
 * Builds the image of the Dockerfile with docker, podman or buildah, whichever there is, starts a broker from it, uses it
 * and stops it. Says what it saw; with `--record` into docs/operating.md, too.
 *
 *   npm run image [-- --record] [-- --no-build]        --no-build: the one that was built last
 *
 * Not part of the tests: it takes minutes, and wants what builds images.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { VERSION } from '../broker/version.ts';
import { findBuildah } from './image/buildah.ts';
import { findRuntime } from './image/runtime.ts';
import { smokeTest } from './image/smoke.ts';

const PAGE = 'docs/operating.md';
const tag = `escrowmq:${VERSION}`;

const { values } = parseArgs({
  options: { record: { type: 'boolean' }, build: { type: 'boolean' } },
  allowNegative: true,
});
const engine = (await findRuntime('docker')) ?? (await findRuntime('podman')) ?? (await findBuildah());
if (engine === null) {
  console.error('Neither docker nor podman answers, and there is no buildah: install one of them.');
  process.exit(2);
}
if (values.build !== false) await engine.build(tag, '.');
const seen = await smokeTest(engine, tag);
for (const sentence of [...seen, `is ${await engine.size(tag)} MB large, with its base`])
  console.log(`${tag} ${sentence}`);

if (values.record) {
  const day = new Date().toISOString().slice(0, 10);
  const table = [
    '<!-- image: made by npm run image -- --record -->',
    `Last tried on ${day} with ${engine.name}; the image of version ${VERSION}`,
    '',
    ...seen.map(sentence => `- ${sentence}`),
    '',
    '<!-- image: end -->',
  ].join('\n');
  const page = readFileSync(PAGE, 'utf8');
  const place = /<!-- image: made by [^>]*-->[\s\S]*<!-- image: end -->/;
  if (!place.test(page)) throw new Error(`${PAGE} has no place for it.`);
  writeFileSync(
    PAGE,
    page.replace(place, () => table),
  );
}

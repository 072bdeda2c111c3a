/** What the console serves of other people’s work is theirs to the byte, in the versions that are locked. */
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';

const VENDORED: [own: string, theirs: string][] = [
  ['htmx.min.js', 'htmx.org/dist/htmx.min.js'],
  ['htmx.LICENSE', 'htmx.org/LICENSE'],
  ['sse.min.js', 'htmx-ext-sse/dist/sse.min.js'],
  ['sse.LICENSE', 'htmx-ext-sse/LICENSE'],
];

t.test('vendored files are those of the packages', async t => {
  for (const [own, theirs] of VENDORED) {
    const [mine, original] = [`broker/console/static/${own}`, `node_modules/${theirs}`].map(path => readFileSync(path));
    t.ok(mine!.equals(original!), own);
  }
  const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  t.match(devDependencies, { 'htmx.org': /^\d+\.\d+\.\d+$/, 'htmx-ext-sse': /^\d+\.\d+\.\d+$/ }, 'pinned');
});

t.test('the built broker finds its files', async t => {
  const { scripts } = JSON.parse(readFileSync('broker/package.json', 'utf8'));
  t.match(scripts.build, /console\/static/);
  t.match(scripts.prepack, /npm run build/);
  t.match(readFileSync('Dockerfile', 'utf8'), /npm run build -w escrowmq/);
  t.ok(existsSync('broker/console/static/console.css'));
});

t.test('own scripts and styles load nothing from elsewhere', async t => {
  for (const name of ['console.css', 'console.js', 'mark.svg']) {
    const text = readFileSync(`broker/console/static/${name}`, 'utf8').replace('http://www.w3.org/2000/svg', '');
    t.notMatch(text, /https?:|@import|url\(|\beval\b|new Function|innerHTML|document\.write/, name);
  }
});

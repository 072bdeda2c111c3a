/** docs/http.md tells the HTTP interface as it is today. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { ERRORS } from '../../broker/protocol/errors.ts';
import { withPart } from '../../tools/generated-part.ts';
import { callsOf, codesOf } from '../../tools/http-reference/document.ts';
import { callsPage } from '../../tools/http-reference/page.ts';
import { takeSamples } from '../../tools/http-reference/samples.ts';

const PAGE = readFileSync('docs/http.md', 'utf8');

const samples = await takeSamples(t);
const calls = callsOf(samples.document);

t.test('the page is up to date', async t => {
  t.ok(PAGE === withPart(PAGE, 'calls', callsPage(samples)), 'npm run http-reference writes it');
});

t.test('every call is there, with its right, its errors and what it answers', async t => {
  const sections = new Map(PAGE.split(/^### /m).map(section => [section.split('\n', 1)[0]!, section]));
  for (const { method, path, operation } of calls) {
    const section = sections.get(`${method} ${path}`) ?? '';
    t.match(section, `Right: ${operation['x-right']}.`, `${method} ${path}`);
    const own = codesOf(operation).filter(code => ![400, 401, 408, 413, 415, 429].includes(statusOf(code)));
    for (const code of own) t.ok(PAGE.includes(`(errors.md#${code.toLowerCase()})`), code);
  }
  t.ok(calls.length > 20);
});

t.test('what is shown as an answer was answered', async t => {
  for (const [id, { request, status }] of samples.samples) t.ok(status < 300, `${id}: ${request} ${status}`);
  const shown = calls.filter(({ operation }) => operation.requestBody?.required);
  for (const { operation } of shown)
    t.ok(samples.samples.has(operation.operationId), `${operation.operationId} is shown`);
});

t.test('a page without the marks is refused', async t => {
  t.throws(() => withPart('# A page', 'calls', ''), /lacks/);
});

const statusOf = (code: string): number => ERRORS[code as keyof typeof ERRORS].status;

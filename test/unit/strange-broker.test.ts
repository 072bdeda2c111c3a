/** What answers at the address is no broker: no command may take it for one, least of all one that acts. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { COMMANDS } from '../../tools/command-reference/commands.ts';
import { inside } from '../support/commands.ts';

/** The address of a server that answers everything like this. */
const answering = async (t: Test, status: number, body: string, headers: Record<string, string> = {}) => {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status, headers).end(body));
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  t.teardown(() => server.closeAllConnections());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** What each command needs beside its operand, so that it calls somebody. */
const NEEDED: Record<string, string[]> = {
  'keys create': ['--role', 'operator'],
  ...Object.fromEntries(['commit', 'rollback', 'check', 'retry', 'discard'].map(n => [n, ['--reason', 'r']])),
};

/** The doctor and the backup have tests of their own. */
const CALLING = COMMANDS.filter(({ name, flags }) => 'url' in flags && name !== 'doctor' && name !== 'backup');

const lineOf = ({ name, operands = '' }: (typeof COMMANDS)[number], more: string[]): string[] => {
  const operand = operands === '' || operands === '[GROUP]' ? [] : ['x'];
  return [...name.split(' '), ...operand, ...(NEEDED[name] ?? []), ...more];
};

t.test('JSON that is no answer of a broker: a sentence, exit code 1, and nothing is said to be done', async t => {
  t.ok(CALLING.length > 15);
  for (const body of ['{}', 'null', '[]', '"ok"', '{"items":"x","id":"another","ok":1}', '<html>']) {
    const url = await answering(t, 200, body);
    for (const command of CALLING)
      for (const json of [[], ['--json']]) {
        const args = lineOf(command, json);
        const { status, stdout, stderr } = await inside(args, { env: { url } });
        t.strictSame([status, stdout], [1, ''], `${args.join(' ')} to ${body}`);
        t.match(stderr, /no escrowmq broker|speaks of another instead of x/, `${args.join(' ')} to ${body}`);
      }
  }
});

t.test('why there is no answer is said in words', async t => {
  const redirecting = await answering(t, 302, '', { location: 'http://127.0.0.1:9/' });
  for (const [url, sentence] of [
    [redirecting, /it redirects, and a key does not go along: give the address it leads to \(unexpected redirect\)\./],
    [redirecting.replace('http:', 'https:'), /it does not speak TLS, say http:\/\/ \(ERR_SSL_WRONG_VERSION_NUMBER\)\./],
    ['http://nobody.invalid', /the name (is not known|cannot be looked up) \((ENOTFOUND|EAI_AGAIN)\)\./],
  ] as const)
    t.match(await inside(['status', '--url', url]), { status: 1, stdout: '', stderr: sentence });
});

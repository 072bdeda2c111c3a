/**
 * A stranger's reading of the OpenAPI document: Schemathesis makes calls from it, valid and invalid, and compares every
 * answer with what is declared.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { startBrokerProcess } from '../support/broker-process.ts';
import { pythonPackage } from '../support/python.ts';
import { temporaryFolder } from '../support/store.ts';

const KEY = 'an-operator-key-of-more-than-32-characters';
const run = promisify(execFile);

const { bin, missing } = await pythonPackage('schemathesis', '4.32.5');

t.test('no 5xx and no breach of a declared schema, over all routes', { skip: missing }, async t => {
  // With a key from outside: the first one that it makes itself would close an open broker to it.
  const broker = await startBrokerProcess(t, { args: ['--publisher', 'memory'], env: { ESCROWMQ_OPERATOR_KEY: KEY } });
  const args = ['run', `${broker.url}/openapi.json`, '--phases', 'examples,coverage,fuzzing', '--max-examples', '25'];
  // Rules between members (a cursor belongs to its filters, maxIntervalMs ≥ intervalMs) cannot be said in a schema.
  args.push('--header', `Authorization: Bearer ${KEY}`);
  args.push('--exclude-checks', 'positive_data_acceptance', '--seed', '1', '--no-color');
  const { stdout } = await run(join(bin, 'schemathesis'), args, { cwd: temporaryFolder(t) }).catch(
    (error: { stdout: string }) => error,
  );
  t.match(stdout, /No issues found|\d+ generated, \d+ passed/, stdout.slice(-4_000));
  t.notMatch(stdout, /FAILURES|ERRORS/);
  t.match(stdout, /Tested: 2[1-9]/, 'every route was called');
  t.equal((await broker.get('/livez')).status, 200);
});

/** What the consumer's README says of tables and options is what the code has. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { INBOX_SCHEMA } from '../../consumer-sdk/inbox/inbox-schema.ts';

const readme = readFileSync('consumer-sdk/README.md', 'utf8');

t.test('the DDL of each database', async t => {
  for (const [dialect, statements] of Object.entries(INBOX_SCHEMA)) {
    t.ok(readme.includes(`${statements.join(';\n')};\n`), dialect);
  }
});

t.test('every option and error code', async t => {
  const source = readFileSync('consumer-sdk/consumer-options.ts', 'utf8');
  const [, body] = /export interface ConsumerOptions<Tx> \{\n([\s\S]*?)\n\}/.exec(source)!;
  const names = [...body!.matchAll(/^ {2}(\w+)\??:/gm)].map(match => match[1]!);
  t.ok(names.length > 10);
  for (const name of names) t.ok(readme.includes(`\`${name}`), name);
  for (const code of ['KAFKA_REFUSED', 'DATABASE_NOT_READY', 'HANDLER_MISUSED', 'REPLAY_FAILED']) {
    t.ok(readme.includes(code), code);
  }
});

/** The test of the documentation goes red where a page is wrong. */
import t, { type Test } from 'tap';
import { followPage } from '../support/documentation/page.ts';
import { blocksOf } from '../support/markdown.ts';

const FENCE = '```';
const block = (language: string, text: string): string => `${FENCE}${language}\n${text}\n${FENCE}\n`;

const follow = (t: Test, ...parts: string[]): Promise<number> =>
  followPage(t, { name: 'page.md', blocks: blocksOf(parts.join('\n')), exceptions: [], terminals: [], kafka: null });

const GROUP = `curl -sS -X PUT -H 'content-type: application/json' -d '{}' http://127.0.0.1:7400/v1/producer-groups/bank-a`;

t.test('a page that is right is followed to its end', async t => {
  const steps = await follow(
    t,
    block('sh', `U=http://127.0.0.1:7400/v1; look() { curl -sS "$@"; }\n${GROUP}`),
    'Another block knows what the first one said.\n',
    block('sh', 'look $U/producer-groups'),
    block('json', '{ "items": [ { "group": "bank-a", "check": { "afterMs": 6000 } } ] }'),
    'A refusal may be shown.\n',
    block('sh', 'curl -sS $U/transactions/nobody'),
    block('json', '{ "status": 404, "detail": "There is no transaction …" }'),
    block('console', '$ echo 1\n1\n$ npx escrowmq keys list\nPREFIX  ROLE  …'),
    'Save as `two.py`:\n',
    block('python', 'print(1 + 1)'),
    'and run it:\n',
    block('sh', 'python3 two.py'),
    block('text', '2'),
  );
  t.equal(steps, 6);
});

const WRONG: [what: string, page: string, says: RegExp][] = [
  ['a command that is misspelt', block('sh', 'crul http://127.0.0.1:7400/livez'), /crul: command not found/],
  ['… before one that is right', block('sh', 'crul x || true\ntrue'), /crul: command not found/],
  ['… in a pipe', block('sh', 'echo 1 | cta | cat'), /cta: command not found/],
  ['a command of escrowmq that is misspelt', block('sh', 'npx escrowmq kyes list'), /kyes/],
  ['another program of npx', block('sh', 'npx escrowqm list'), /no command of this repository/],
  ['a flag that does not exist', block('sh', 'npx escrowmq serve --publihser memory'), /publihser/],
  ['an address that is misspelt', block('sh', 'curl -sS http://127.0.0.1:7400/v1/transaction'), /NOT_FOUND/],
  ['a call that is refused', block('sh', `${GROUP.replace("'{}'", `'{"x":1}'`)}`), /VALIDATION_FAILED/],
  ['a command that fails among others', block('sh', 'echo 1\nfalse\necho 2'), /ended with 1/],
  ['a variable that was never set', block('sh', 'echo "$NEVER_SET"'), /NEVER_SET/],
  [
    'other output than is shown',
    block('sh', 'echo 1') + block('text', '2'),
    /The page shows\s+2\s+and what comes is\s+1/,
  ],
  ['other JSON than is shown', block('sh', 'echo \'{"a":1}\'') + block('json', '{ "a": 2 }'), /what comes is/],
  ['a file that is not saved', block('sh', 'python3 three.py'), /three\.py/],
];

t.test('a page that is wrong is not, and the step is named', async t => {
  for (const [what, page, says] of WRONG) {
    await t.test(what, async t => {
      const message = await follow(t, '# A\n', page).then(
        () => 'followed',
        error => String(error.message),
      );
      t.match(message, /^page\.md:3: /);
      t.match(message, says);
    });
  }
});

/** What a page of Markdown has in it, as the tests of the documentation see it. */
import t from 'tap';
import { anchorsOf, blocksOf, linksOf } from '../support/markdown.ts';

const FENCE = '```';

t.test('blocks', async t => {
  const page = `# A\n\nSave as \`a.sh\`:\n\n${FENCE}sh\necho 1\n# no heading\n${FENCE}\n\n${FENCE}json\n{}\n${FENCE}\n\n- x\n\n  ${FENCE}\n  plain\n    deep\n  ${FENCE}\n`;
  t.same(blocksOf(page), [
    { language: 'sh', text: 'echo 1\n# no heading\n', line: 5, above: 'Save as `a.sh`:' },
    { language: 'json', text: '{}\n', line: 10, above: '' },
    { language: '', text: 'plain\n  deep\n', line: 16, above: '- x' },
  ]);
  t.throws(() => blocksOf(`${FENCE}sh\necho\n`), /line 1 is not closed/);
});

t.test('anchors, as forges make them', async t => {
  const page = [
    '# POST /v1/transactions/{id}/commit',
    '## `ALREADY_COMMITTED`',
    '## What “acknowledged” means, *really*',
    '## [Link](a.md) and more',
    '## Again',
    '## Again',
    '## A — dash',
    '<a id="given"></a>',
    `${FENCE}sh\n# a comment\n${FENCE}`,
    '',
    '    # indented code',
  ].join('\n');
  t.same(
    [...anchorsOf(page)],
    [
      'given',
      'post-v1transactionsidcommit',
      'already_committed',
      'what-acknowledged-means-really',
      'link-and-more',
      'again',
      'again-1',
    ],
    'what forges disagree about is none',
  );
});

t.test('links into the repository', async t => {
  const page = `[a](a.md#b) [c](#d) [e](https://e.example/#f) ![g](pictures/g.svg)\n\n${FENCE}md\n[h](i)\n${FENCE}\n`;
  t.same(linksOf(page), [
    { path: 'a.md', anchor: 'b' },
    { path: '', anchor: 'd' },
    { path: 'pictures/g.svg', anchor: undefined },
  ]);
});

import t from 'tap';
import type { Terminal } from '../../broker/cli/terminal.ts';
import {
  bytesText,
  coloured,
  counted,
  facts,
  jsonLine,
  plain,
  plainLines,
  spanText,
  Table,
} from '../../broker/cli/terminal-text.ts';

/** Keeps what is written. */
const terminalOf = (columns: number | null, hasColours = false) => {
  const written: string[] = [];
  const write = (text: string): void => void written.push(text);
  return { terminal: { columns, hasColours, write } as unknown as Terminal, text: () => written.join('') };
};

const HOSTILE = [
  '\u001b[2J',
  '\u009b31m',
  'a\rb',
  'a\nb',
  '\u0000',
  '\u007f',
  '\u202etxt.exe',
  '\u2066x',
  '\u200bx',
  '\u2028x',
  '\ufeffx',
  '\ud800',
  '\u{e0001}x',
];

t.test('whatever others wrote moves no cursor', async t => {
  for (const text of HOSTILE) t.match(plain(text), /^[\x20-\x7e]+$/, encodeURI(text.toWellFormed()));
  t.equal(plain('\u001b[2J\u202e\t'), '\\x1b[2J\\u{202e}\\t');
  t.equal(plain('Zoë 一 🙂 \\x1b'), 'Zoë 一 🙂 \\x1b', 'what is harmless stays');
  t.equal(plainLines('a\r\nb\u001b'), 'a\\r\nb\\x1b');
});

t.test('JSON stays the same document', async t => {
  for (const text of HOSTILE) {
    const line = jsonLine({ text, [text]: 1 });
    t.match(line, /^[\x20-\x7e]+\n$/, encodeURI(text.toWellFormed()));
    t.same(JSON.parse(line), { text, [text]: 1 });
  }
});

interface Row {
  id: string;
  error: string | null;
  count: number;
}

const COLUMNS = [
  { title: 'ID', of: ({ id }: Row) => id },
  { title: 'COUNT', of: ({ count }: Row) => count },
  { title: 'ERROR', of: ({ error }: Row) => error, isLoose: true },
] as const;

t.test('a table is as wide as it must be, and no wider than the terminal', async t => {
  const rows = [
    { id: 'transfer-1', error: 'x'.repeat(100), count: 1 },
    { id: 't2', error: null, count: 1_000 },
  ];
  const wide = terminalOf(null);
  await new Table(COLUMNS, wide.terminal).write(rows);
  t.equal(wide.text(), `ID          COUNT  ERROR\ntransfer-1      1  ${'x'.repeat(100)}\nt2           1000  -\n`);
  for (const columns of [80, 40, 27, 20, 12, 5]) {
    const narrow = terminalOf(columns);
    await new Table(COLUMNS, narrow.terminal).write(rows);
    for (const line of narrow.text().trimEnd().split('\n')) t.ok(line.length <= columns, `${columns}: ${line}`);
  }
  const narrow = terminalOf(40);
  await new Table(COLUMNS, narrow.terminal).write(rows);
  t.match(narrow.text(), `transfer-1      1  ${'x'.repeat(20)}…\n`, 'the loose column gives way');
});

t.test('wide characters count twice, those on top of others not at all', async t => {
  const { terminal, text } = terminalOf(null);
  const rows = ['一二', 'e\u0301', '🙂', 'ab'].map(id => ({ id, error: '|', count: 0 }));
  await new Table(COLUMNS, terminal).write(rows);
  t.equal(text(), 'ID    COUNT  ERROR\n一二      0  |\ne\u0301         0  |\n🙂        0  |\nab        0  |\n');
});

t.test('a table goes on under the same head, its columns never narrower', async t => {
  const { terminal, text } = terminalOf(null);
  const table = new Table(COLUMNS, terminal);
  await table.write([{ id: 'long-name', error: 'e', count: 1 }]);
  await table.write([{ id: 'x', error: 'e', count: 2 }]);
  t.equal(text(), 'ID         COUNT  ERROR\nlong-name      1  e\nx              2  e\n');
});

t.test('colours where there are colours, and never in what is measured', async t => {
  const { terminal, text } = terminalOf(30, true);
  await new Table(COLUMNS, terminal).write([{ id: 'committed', error: 'parked', count: 1 }]);
  t.equal(text(), 'ID         COUNT  ERROR\n\u001b[32mcommitted\u001b[0m      1  \u001b[31mparked\u001b[0m\n');
  t.equal(coloured('prepared', terminalOf(null).terminal), 'prepared');
  t.equal(coloured('\u001b[0m', terminal), '\\x1b[0m');
});

t.test('facts, sizes, spans and counts as people read them', async t => {
  t.equal(
    facts(
      [
        ['a', 1],
        ['long', null],
      ],
      terminalOf(null).terminal,
    ),
    'a     1\nlong  -\n',
  );
  t.same([0, 1_023, 1_024, 5 * 1024 ** 3].map(bytesText), ['0 B', '1023 B', '1.0 KiB', '5.0 GiB']);
  t.same([0, 250, 1_000, 65_000, 3_600_000, 90_000_000].map(spanText), ['0ms', '250ms', '1s', '1m 5s', '1h', '1d 1h']);
  t.same([counted(1, 'topic'), counted(1_200, 'topic')], ['1 topic', '1,200 topics']);
});

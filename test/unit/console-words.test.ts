/** Times, ages, sizes and JSON as the pages of the console write them. */
import t from 'tap';
import { age, counted, distance, duration, figure, moment, size } from '../../broker/console/clock-words.ts';
import { setOut } from '../../broker/console/json-text.ts';

const [S, MIN, H, D] = [1_000, 60_000, 3_600_000, 86_400_000];

t.test('how long', async t => {
  const cases: [number, string][] = [
    [-5, '0 ms'],
    [0, '0 ms'],
    [999, '999 ms'],
    [1_000, '1.0 s'],
    [9_999, '9.9 s'],
    [59 * S, '59 s'],
    [MIN, '1 min'],
    [3 * MIN + 20 * S, '3 min 20 s'],
    [H, '1 h'],
    [2 * H + 5 * MIN + 59 * S, '2 h 5 min'],
    [D, '1 d'],
    [40 * D + 3 * H, '40 d 3 h'],
  ];
  for (const [ms, words] of cases) t.equal(duration(ms), words);
  t.equal(distance(10_000, 5_000), 'in 5.0 s');
  t.equal(distance(5_000, 65_000), '1 min ago');
  t.equal(distance(5_000, 5_500), 'just now');
});

t.test('when', async t => {
  const at = '2026-11-21T10:00:00.123Z';
  const now = Date.parse(at) + 5 * MIN;
  t.match(
    moment(at, now).toString(),
    /<time datetime="2026-11-21T10:00:00\.123Z".*2026-11-21 10:00:00\.123Z.*5 min ago/,
  );
  t.match(moment(null, now).toString(), /never/);
  t.match(age(at, now).toString(), /title="2026-11-21 10:00:00\.123Z">5 min</);
  t.match(age(null, now).toString(), /–/);
});

t.test('how much', async t => {
  t.equal(figure(1_234_567), '1\u202f234\u202f567');
  t.equal(counted(1, 'message'), '1 message');
  t.equal(counted(2_000, 'message'), '2\u202f000 messages');
  t.equal(size(0), '0 B');
  t.equal(size(1_023), '1\u202f023 B');
  t.equal(size(1_536), '1.5 KiB');
  t.equal(size(64 * 1024 * 1024), '64 MiB');
});

t.test('JSON is set out without a change of what it says', async t => {
  t.equal(setOut('{"a":1,"b":[true,null],"c":{}}'), '{\n  "a": 1,\n  "b": [\n    true,\n    null\n  ],\n  "c": {}\n}');
  t.equal(setOut('[]'), '[]');
  t.equal(setOut(' "x" '), '"x"');
  const exact = '{"amount":12345678901234567890.10,"amount":1e400,"s":"a\\"b{,}[:]\\\\"}';
  t.equal(setOut(exact)!.replace(/\s+/g, ''), exact, 'digits, repeats and escapes as they were');
  for (const none of ['', '{', 'x', '{"a":1,}', 'NaN', "{'a':1}"]) t.equal(setOut(none), null, none);
});

t.test('JSON that is deep or long is set out without more memory than is looked at', async t => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
  t.ok(setOut(deep)!.length < 100_000 * 150, 'the lines of the innermost are no longer than the others');
  t.equal(setOut(deep)!.replace(/\s+/g, ''), deep);
  const long = JSON.stringify(Array.from({ length: 100_000 }, (_, i) => i));
  t.ok(setOut(long, 1_000)!.length < 1_050);
  t.ok(setOut(long)!.startsWith(setOut(long, 1_000)!));
});

/** The template: whatever is put into it stays text, wherever a template lets it stand. */
import t from 'tap';
import { Html, html } from '../../broker/console/html.ts';

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '" hx-get="/console/keys" hx-trigger="load',
  '</textarea></title></style></script><svg onload=alert(1)>',
  '{{constructor.constructor("alert(1)")()}} `alert(1)`',
  '<!--',
  '-->',
  ']]>',
  '&lt;script&gt;',
  '&#x3C;script&#x3E;',
];

t.test('text between tags cannot become a tag', async t => {
  for (const text of HOSTILE) {
    const made = html`<p>${text}</p>`.toString();
    t.equal(made.match(/</g)!.length, 2, text);
    t.equal(made.match(/>/g)!.length, 2, text);
    t.notMatch(made, /&lt;script&gt;.*(?<!&amp;)&lt;script/, text);
  }
  t.equal(html`<p>${'a & b'}</p>`.toString(), '<p>a &amp; b</p>');
  t.equal(html`<p>${'&lt;'}</p>`.toString(), '<p>&amp;lt;</p>', 'what is escaped already is text too');
});

t.test('a value cannot leave its quotes', async t => {
  for (const text of HOSTILE) {
    const made = html`<input value="${text}">`.toString();
    t.match(made, /^<input value="[^"<>']*">$/, text);
  }
});

t.test('what cannot be seen in text is shown by its number, and goes unchanged into values', async t => {
  const text = 'a\0b\u202ec\u2066d\u200ee\u0007f\ufeffg';
  t.equal(html`<p>${text}</p>`.toString(), '<p>a\\u{0000}b\\u{202E}c\\u{2066}d\\u{200E}e\\u{0007}f\\u{FEFF}g</p>');
  t.equal(html`<input value="${'a\u202eb'}">`.toString(), '<input value="a\u202eb">');
  t.equal(
    html`<input value="${'a\0b\ud800'}">`.toString(),
    '<input value="a\ufffdb\ufffd">',
    'but for what no page can hold',
  );
  t.equal(html`<p>${'lone \ud800 half'}</p>`.toString(), '<p>lone \\u{D800} half</p>');
  t.equal(html`<p>${'tab\tline\n ende 👩‍💻 €'}</p>`.toString(), '<p>tab\tline\n ende 👩‍💻 €</p>');
});

t.test('addresses lead to this broker alone', async t => {
  const elsewhere = [
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'JAVASCRIPT:alert(1)',
    'data:text/html,x',
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    '\\\\evil.example',
    '',
  ];
  for (const address of elsewhere) {
    t.equal(html`<a href="${address}">x</a>`.toString(), '<a href="#">x</a>', address);
    t.equal(html`<form action="${address}"></form>`.toString(), '<form action="#"></form>', address);
    t.equal(html`<div hx-get="${address}"></div>`.toString(), '<div hx-get="#"></div>', address);
  }
  t.equal(html`<a href="${'/console/a?b=c&d'}">x</a>`.toString(), '<a href="/console/a?b=c&amp;d">x</a>');
  t.equal(
    html`<a href="/console/transactions/${'javascript:x"'}">x</a>`.toString(),
    '<a href="/console/transactions/javascript:x&quot;">x</a>',
  );
});

t.test('nothing may be put where it could be run, or where no quotes hold it', async t => {
  const x = 'x';
  const wrong: [string, () => Html][] = [
    ['an attribute without quotes', () => html`<p class=${x}>`],
    ['single quotes', () => html`<p class='${x}'>`],
    ['an attribute itself', () => html`<p ${x}>`],
    ['the name of an attribute', () => html`<p ${x}="y">`],
    ['the name of a tag', () => html`<${x}>`],
    ['an event handler', () => html`<p onclick="${x}">`],
    ['an event handler in capitals', () => html`<p onClick="${x}">`],
    ['a handler of htmx', () => html`<p hx-on:click="${x}">`],
    ['a trigger of htmx', () => html`<p hx-trigger="${x}">`],
    ['values of htmx', () => html`<p hx-vals="${x}">`],
    ['a style', () => html`<p style="${x}">`],
    ['a document in a frame', () => html`<iframe srcdoc="${x}">`],
    ['a script', () => html`<script>${x}</script>`],
    ['a style sheet', () => html`<style>${x}</style>`],
  ];
  for (const [what, make] of wrong) t.throws(make, what);
  t.throws(() => html`<p class="${html`<b>x</b>`}">`, 'a template in an attribute');
});

t.test('templates stay what they are, lists are put together, nothing is nothing', async t => {
  const rows = ['<a>', 'b'].map(text => html`<li>${text}</li>`);
  t.equal(html`<ul>${rows}${null}${undefined}${false}${0}</ul>`.toString(), '<ul><li>&lt;a&gt;</li><li>b</li>0</ul>');
  t.equal(
    html`<p class="a ${false}" title="${3}">${[[rows[1]], 'x']}</p>`.toString(),
    '<p class="a " title="3"><li>b</li>x</p>',
  );
});

t.test('what only looks like a template is text', async t => {
  const forged = { toString: () => '<b>', text: '<b>', __proto__: Html.prototype } as unknown as string;
  t.equal(html`<p>${forged}</p>`.toString(), '<p>&lt;b&gt;</p>', 'not even what claims to be one');
  t.notMatch(html`<p>${JSON.parse('{"a":"<b>"}')}</p>`.toString(), '<b>');
});

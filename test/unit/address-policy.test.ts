import t from 'tap';
import { AddressPolicy } from '../../broker/check-back/address-policy.ts';
import { isLoopbackHost, isLoopbackUrl } from '../../broker/protocol/loopback.ts';

const onLoopback = new AddressPolicy([], '127.0.0.1');
const named = new AddressPolicy(
  ['producers.example', '10.20.0.0/16', 'fd00:7::/32', '192.0.2.7', '2001:db8::7'],
  '0.0.0.0',
);

/** Spelling → what a broker on loopback without a list, and one with the list above, say to it. */
const TABLE: [url: string, onLoopback: boolean, named: boolean][] = [
  // Loopback in every spelling that a URL parser reads as 127.0.0.1 or ::1.
  ['http://127.0.0.1/', true, false],
  ['http://127.0.0.1:8081/escrow/check?x=1', true, false],
  ['https://127.0.0.1/', true, false],
  ['HTTP://127.0.0.1/', true, false],
  ['http://127.1/', true, false],
  ['http://127.0.1/', true, false],
  ['http://127.255.255.254/', true, false],
  ['http://2130706433/', true, false],
  ['http://0x7f000001/', true, false],
  ['http://0x7f.0.0.1/', true, false],
  ['http://017700000001/', true, false],
  ['http://0177.0.0.1/', true, false],
  ['http://127.0.0.1./', true, false],
  ['http://%31%32%37.0.0.1/', true, false],
  ['http://127。0。0。1/', true, false],
  ['http://①②⑦.⓪.⓪.①/', true, false],
  ['http://[::1]/', true, false],
  ['http://[0:0:0:0:0:0:0:1]/', true, false],
  ['http://[::ffff:127.0.0.1]/', true, false],
  ['http://[::ffff:7f00:1]/', true, false],
  ['http:127.0.0.1', true, false],
  ['http:\\\\127.0.0.1\\check', true, false],
  ['http://127.0.0.1\\@10.20.0.1/', true, false],
  // Not loopback, though it looks like it, or leads there on some systems.
  ['http://0.0.0.0/', false, false],
  ['http://0/', false, false],
  ['http://0x/', false, false],
  ['http://[::]/', false, false],
  ['http://[::127.0.0.1]/', false, false],
  ['http://[::ffff:0:127.0.0.1]/', false, false],
  ['http://[64:ff9b::127.0.0.1]/', false, false],
  ['http://[2002:7f00:1::]/', false, false],
  ['http://128.0.0.1/', false, false],
  ['http://126.255.255.255/', false, false],
  ['http://[::2]/', false, false],
  // The usual targets inside a network.
  ['http://169.254.169.254/latest/meta-data/', false, false],
  ['http://2852039166/', false, false],
  ['http://0xa9fea9fe/', false, false],
  ['http://0251.0376.0251.0376/', false, false],
  ['http://[::ffff:169.254.169.254]/', false, false],
  ['http://[64:ff9b::a9fe:a9fe]/', false, false],
  ['http://[fd00:ec2::254]/', false, false],
  ['http://[fe80::1]/', false, false],
  ['http://[fe80::1%25eth0]/', false, false],
  ['http://[fe80::1%eth0]/', false, false],
  ['http://10.0.0.1/', false, false],
  ['http://172.16.0.1/', false, false],
  ['http://192.168.1.1/', false, false],
  ['http://100.100.100.200/', false, false],
  ['http://255.255.255.255/', false, false],
  ['http://224.0.0.1/', false, false],
  ['http://1.1.1.1/', false, false],
  // What the list names, and its edges.
  ['http://10.20.0.1/', false, true],
  ['http://10.20.255.255/', false, true],
  ['http://10.21.0.0/', false, false],
  ['http://10.19.255.255/', false, false],
  ['http://[::ffff:10.20.3.4]/', false, true],
  ['http://169082881/', false, true],
  ['http://[::10.20.3.4]/', false, false],
  ['http://192.0.2.7/', false, true],
  ['http://192.0.2.8/', false, false],
  ['http://[fd00:7::1]/', false, true],
  ['http://[fd00:7:0:0:0:0:0:1]/', false, true],
  ['http://[fd00:8::1]/', false, false],
  ['http://[2001:db8::7]/', false, true],
  ['http://[2001:DB8:0:0::7]/', false, true],
  ['http://[2001:db8::8]/', false, false],
  // Names: allowed by name, or left to be judged by where they lead.
  ['http://localhost/', true, true],
  ['http://LOCALHOST:9/', true, true],
  ['http://localhost./', true, true],
  ['http://producers.example/', true, true],
  ['http://Producers.Example.:8443/check', true, true],
  ['http://metadata.google.internal/', true, true],
  ['http://127.0.0.1.nip.io/', true, true],
  // Not addresses to call.
  ['http://user@127.0.0.1/', false, false],
  ['http://user:pass@10.20.0.1/', false, false],
  ['http://:pass@127.0.0.1/', false, false],
  ['http://127.0.0.1@169.254.169.254/', false, false],
  ['http://127.0.0.1%2f@10.20.0.1/', false, false],
  ['http://10.20.0.1:80@evil.example/', false, false],
  ['http://127.0.0.1/#fragment', false, false],
  ['http://127.0.0.1/#', false, false],
  ['http://169.254.169.254#@127.0.0.1/', false, false],
  ['ftp://127.0.0.1/', false, false],
  ['file:///etc/passwd', false, false],
  ['unix:/run/docker.sock', false, false],
  ['gopher://127.0.0.1/', false, false],
  ['ws://127.0.0.1/', false, false],
  ['javascript:alert(1)', false, false],
  ['data:text/plain,x', false, false],
  ['//127.0.0.1/', false, false],
  ['127.0.0.1:8081', false, false],
  ['localhost:8081/check', false, false],
  ['http://', false, false],
  ['http://./', false, false],
  ['http://../', false, false],
  ['http://127.0.0.1../', false, false],
  ['http://*.producers.example/', false, false],
  ['http://256.0.0.1/', false, false],
  ['http://1.2.3.4.5/', false, false],
  ['http://producers.example.0x7f/', false, false],
  ['http://[127.0.0.1]/', false, false],
  ['http://[::1/', false, false],
  ['http://127.0.0.1:65536/', false, false],
  ['http://127.0.0.1 .example/', false, false],
  ['', false, false],
];

t.test('spellings of addresses', async t => {
  for (const [url, loopback, list] of TABLE) {
    t.equal(onLoopback.judgeUrl(url) === null, loopback, `on loopback: ${url}`);
    t.equal(named.judgeUrl(url) === null, list, `with a list: ${url}`);
  }
  t.ok(TABLE.length >= 60);
});

t.test('a refusal is a sentence that says what is wrong', async t => {
  t.match(named.judgeUrl('http://10.0.0.1/'), /10\.0\.0\.1.*--check-allow/);
  t.match(named.judgeUrl('http://2852039166/'), '169.254.169.254', 'the address it leads to');
  t.match(named.judgeUrl('http://user:secret@10.20.0.1/'), 'credentials');
  t.notMatch(named.judgeUrl('http://user:secret@10.20.0.1/'), 'secret');
  t.match(named.judgeUrl('http://10.20.0.1/#x'), 'fragment');
  t.match(named.judgeUrl('ftp://10.20.0.1/'), 'http or https');
  t.match(named.judgeUrl('nonsense'), 'not a URL');
});

t.test('without a list: loopback to a broker on loopback, nothing to any other', async t => {
  for (const host of ['127.0.0.1', '::1', '[::1]', 'localhost', '127.3.2.1']) {
    t.equal(new AddressPolicy([], host).judgeUrl('http://127.0.0.1/'), null, host);
  }
  for (const host of ['0.0.0.0', '::', '10.0.0.5', 'broker.example', '']) {
    const policy = new AddressPolicy([], host);
    for (const url of ['http://127.0.0.1/', 'http://localhost/', 'http://[::1]/', 'http://producers.example/']) {
      t.type(policy.judgeUrl(url), 'string', `${host}: ${url}`);
    }
    t.notOk(policy.allowsAddress('127.0.0.1'));
  }
});

t.test('a list replaces the default', async t => {
  const policy = new AddressPolicy(['producers.example'], '127.0.0.1');
  t.type(policy.judgeUrl('http://127.0.0.1/'), 'string');
  t.type(policy.judgeUrl('http://other.example/'), 'string', 'with names alone, other names lead nowhere');
  t.equal(policy.judgeUrl('http://producers.example/'), null);
});

t.test('resolved addresses', async t => {
  t.ok(named.allowsAddress('10.20.3.4'));
  t.ok(named.allowsAddress('::ffff:10.20.3.4'));
  t.ok(named.allowsAddress('fd00:7::9'));
  for (const address of ['10.0.0.1', '::ffff:10.0.0.1', 'fe80::1%eth0', 'fd00:7::9%eth0', '::10.20.3.4', 'x', '']) {
    t.notOk(named.allowsAddress(address), address);
  }
  t.ok(named.allowsName('producers.example.'));
  t.notOk(named.allowsName('sub.producers.example'));
  t.notOk(named.allowsName('localhost'));
});

t.test('one family of addresses does not let in the other', async t => {
  const six = new AddressPolicy(['::/0'], '0.0.0.0');
  t.ok(six.allowsAddress('2001:db8::1'));
  t.notOk(six.allowsAddress('10.0.0.1'));
  t.notOk(six.allowsAddress('::ffff:10.0.0.1'));
  const four = new AddressPolicy(['0.0.0.0/0'], '0.0.0.0');
  t.ok(four.allowsAddress('::ffff:10.0.0.1'));
  t.notOk(four.allowsAddress('::1'));
});

t.test('entries of the list are written in full', async t => {
  const good = ['producers.example', 'PRODUCERS.example.', 'service_a', 'a', '10.0.0.0/8', '10.1.2.3/8', '0.0.0.0/0'];
  for (const entry of [...good, '10.1.2.3', '::1', '[::1]', 'fd00::/8', '::/0', 'xn--bcher-kva.example']) {
    t.doesNotThrow(() => new AddressPolicy([entry], '0.0.0.0'), entry);
  }
  const bad = ['', ' ', '10', '10/8', '10.0/8', '0x7f.1', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-1'];
  const worse = [
    '::/129',
    '::ffff:10.0.0.1',
    '::ffff:0:0/96',
    'fe80::1%eth0',
    '*',
    '*.example',
    'a:80',
    'http://a',
    'a/8',
  ];
  for (const entry of [...bad, ...worse, 'a b', 'a@b', '.a', 'a..b', '-a', '1.2.3', '256.1.1.1', 'bücher.example']) {
    t.throws(() => new AddressPolicy([entry], '0.0.0.0'), RangeError, JSON.stringify(entry));
  }
  t.throws(() => new AddressPolicy(['a', '10/8', '*'], '0.0.0.0'), { message: /"10\/8", "\*"/ }, 'all of them at once');
});

t.test('loopback, which needs no secret', async t => {
  const loopback = [
    'http://127.0.0.1:1/x',
    'http://localhost/',
    'http://localhost./',
    'https://[::1]/',
    'http://2130706433/',
  ];
  for (const url of [...loopback, 'http://[::ffff:127.0.0.1]/', 'http://127.9.9.9/']) t.ok(isLoopbackUrl(url), url);
  const other = [
    'http://0.0.0.0/',
    'http://[::]/',
    'http://10.0.0.1/',
    'http://localhost.example/',
    'http://x.localhost/',
  ];
  for (const url of [...other, 'http://[::127.0.0.1]/', 'localhost', '']) t.notOk(isLoopbackUrl(url), url);
  t.ok(isLoopbackHost('LOCALHOST'));
  t.notOk(isLoopbackHost('0.0.0.0'));
});

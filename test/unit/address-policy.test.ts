import t from 'tap';
import { AddressPolicy } from '../../broker/check-back/address-policy.ts';
import { isLoopbackHost, isLoopbackUrl } from '../../broker/protocol/loopback.ts';
import { NAMED_LIST, SPELLINGS } from '../support/address-spellings.ts';

const onLoopback = new AddressPolicy([], '127.0.0.1');
const named = new AddressPolicy(NAMED_LIST, '0.0.0.0');

t.test('spellings of addresses', async t => {
  for (const [url, loopback, list] of SPELLINGS) {
    t.equal(onLoopback.judgeUrl(url) === null, loopback, `on loopback: ${url}`);
    t.equal(named.judgeUrl(url) === null, list, `with a list: ${url}`);
  }
  t.ok(SPELLINGS.length >= 60);
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

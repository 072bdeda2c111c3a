/** Sessions of the console: how long they last, how many there are, and that nothing kept of them opens anything. */
import t from 'tap';
import { IDLE_MS, LONGEST_MS, MAX_OF_ONE_KEY, MAX_SESSIONS, Sessions } from '../../broker/console/sessions.ts';

const start = () => {
  const time = { now: 1_000 };
  return { time, sessions: new Sessions(() => time.now) };
};

t.test('a session is found by its token alone', async t => {
  const { sessions } = start();
  const token = sessions.begin('a-key', 'operator', 'emq_1');
  t.match(token, /^[A-Za-z0-9_-]{43}$/, '256 bits');
  t.match(sessions.find(token), { key: 'a-key', role: 'operator', name: 'emq_1' });
  for (const wrong of [undefined, '', 'x', token.slice(1), `${token}A`]) t.equal(sessions.find(wrong), null);
  const other = sessions.begin('a-key', 'operator', 'emq_1');
  t.not(other, token);
  t.not(sessions.find(other)!.formToken, sessions.find(token)!.formToken);
  sessions.end(token);
  t.equal(sessions.find(token), null);
  t.not(sessions.find(other), null, 'the others go on');
  sessions.end(undefined);
});

t.test('it ends when nobody came for long', async t => {
  const { time, sessions } = start();
  const token = sessions.begin('k', 'viewer', 'n');
  time.now += IDLE_MS - 1;
  t.not(sessions.find(token), null);
  time.now += IDLE_MS - 1;
  t.not(sessions.find(token), null, 'idle since the last visit, not since the first');
  time.now += IDLE_MS;
  t.equal(sessions.find(token), null);
  t.equal(sessions.size, 0, 'and is forgotten');
});

t.test('what a page asks by itself keeps no session from ending', async t => {
  const { time, sessions } = start();
  const token = sessions.begin('k', 'viewer', 'n');
  for (let i = 0; i < 4; i++, time.now += IDLE_MS / 4) t.not(sessions.find(token, false), null);
  t.equal(sessions.find(token, false), null);
});

t.test('it ends after a day, however busy', async t => {
  const { time, sessions } = start();
  const token = sessions.begin('k', 'viewer', 'n');
  const begun = time.now;
  for (; time.now < begun + LONGEST_MS; time.now += IDLE_MS / 2) t.not(sessions.find(token), null);
  t.equal(sessions.find(token), null);
});

t.test('of too many the one that was idle longest ends', async t => {
  const { time, sessions } = start();
  const [first, second] = [sessions.begin('k1', 'viewer', '1'), sessions.begin('k2', 'viewer', '2')];
  for (let i = 2; i < MAX_SESSIONS; i++) sessions.begin(`other ${i % 20}`, 'viewer', 'n');
  time.now++;
  sessions.find(first);
  sessions.begin('k3', 'viewer', 'one more');
  t.equal(sessions.size, MAX_SESSIONS);
  t.not(sessions.find(first), null, 'who came just now stays');
  t.equal(sessions.find(second), null);
});

t.test('who logs in without end pushes nobody out', async t => {
  const { sessions } = start();
  const operator = sessions.begin('k', 'operator', 'n');
  const first = sessions.begin('viewer', 'viewer', 'n');
  for (let i = 0; i < 2 * MAX_SESSIONS; i++) sessions.begin('viewer', 'viewer', 'n');
  t.equal(sessions.size, 1 + MAX_OF_ONE_KEY);
  t.not(sessions.find(operator), null);
  t.equal(sessions.find(first), null);
});

t.test('what is kept holds no token', async t => {
  const { sessions } = start();
  const token = sessions.begin('k', 'viewer', 'n');
  const { inspect } = await import('node:util');
  t.notMatch(inspect(sessions, { depth: 9, showHidden: true }), token);
});

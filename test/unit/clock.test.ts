/** A clock that is set while it is read. */
import t from 'tap';
import { watchedClock } from '../../broker/clock.ts';

t.test('it tells by how much it was set forward, for as long as that matters', async t => {
  const time = { wall: 1_000_000, steady: 50 };
  const pass = (ms: number): void => {
    time.wall += ms;
    time.steady += ms;
  };
  const clock = watchedClock(
    () => time.wall,
    () => time.steady,
  );
  t.equal(clock.setForwardMs(60_000), 0);
  pass(10_000);
  t.equal(clock.setForwardMs(60_000), 0, 'time that passes is no step');
  time.wall += 3_600_000;
  t.equal(clock.now(), time.wall);
  t.equal(clock.setForwardMs(60_000), 3_600_000);
  pass(30_000);
  time.wall -= 3_600_000;
  t.equal(clock.now(), time.wall, 'what is shown goes back');
  t.equal(clock.setForwardMs(60_000), 3_600_000, 'going back makes nothing older');
  time.wall += 2_000;
  t.equal(clock.setForwardMs(60_000), 3_602_000);
  pass(31_000);
  t.equal(clock.setForwardMs(60_000), 2_000, 'the first step was long ago');
  pass(60_000);
  t.equal(clock.setForwardMs(60_000), 0);
  t.equal(clock.monotonic(), time.steady);
});

t.test('a clock that is set again and again is remembered in bounded room, and never as set by less', async t => {
  const time = { wall: 0, steady: 0 };
  const clock = watchedClock(
    () => time.wall,
    () => time.steady,
  );
  for (let i = 1; i <= 250; i++) {
    time.wall += 5_001;
    time.steady += 1;
    t.equal(clock.setForwardMs(1_000), i * 5_000);
  }
  for (let i = 0; i < 100; i++) {
    time.wall += 10;
    time.steady += 10;
    clock.now();
  }
  t.ok(clock.setForwardMs(1_000) <= 250 * 5_000);
  time.wall += 300;
  time.steady += 300;
  t.equal(clock.setForwardMs(1_000), 0);
});

t.test('small corrections do not count', async t => {
  const time = { wall: 0, steady: 0 };
  const clock = watchedClock(
    () => time.wall,
    () => time.steady,
  );
  for (let i = 0; i < 100; i++) {
    time.wall += 1_900;
    time.steady += 1_000;
    clock.now();
  }
  t.equal(clock.setForwardMs(1_000_000), 0);
});

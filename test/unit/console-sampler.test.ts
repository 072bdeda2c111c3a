/** The figures of the overview: how often they are asked for, in whose name, and what is made of them. */
import { mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { EventStream } from '../../broker/console/event-stream.ts';
import type { Inject } from '../../broker/console/rest.ts';
import { type Course, SAMPLES, Sampler } from '../../broker/console/sampler.ts';
import type { StatusBody } from '../../broker/protocol/wire.ts';

const start = (t: Test) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  const world = {
    now: 0,
    prepared: 0,
    status: 200,
    asked: [] as (string | undefined)[],
    drawn: [] as Course[],
    errors: [] as unknown[],
    isRare: false,
  };
  const inject = (async ({ headers }: { headers: Record<string, string> }) => {
    world.asked.push(headers.authorization);
    const isGood = headers.authorization !== 'Bearer revoked';
    const totals = { prepared: world.prepared, committed: 0, rolledBack: 0, checks: 0, forwarded: 0, parked: 0 };
    const body = JSON.stringify({ sinceStart: totals });
    return {
      statusCode: isGood ? world.status : 401,
      headers: { 'content-type': 'application/json' },
      body,
      json: () => JSON.parse(body),
    };
  }) as unknown as Inject;
  const draw = (status: StatusBody, course: Course) => {
    if (world.prepared < 0) throw new Error('a fault of the console');
    world.drawn.push(course);
    const prepared = String(status.sinceStart.prepared);
    return { prepared, still: 'the same', ...(world.isRare ? { rare: prepared } : {}) };
  };
  const sampler = new Sampler({
    inject,
    monotonic: () => world.now,
    draw,
    rare: new Set(['rare']),
    onError: error => void world.errors.push(error),
  });
  t.teardown(() => sampler.stop());
  /** Lets so many seconds pass. */
  const pass = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      mock.timers.tick(1_000);
      await turn();
      world.now += 1_000;
    }
  };
  return { world, sampler, pass };
};

const viewer = (key: string | null) => {
  const heard: string[] = [];
  const stream: EventStream = {
    send: (event, data) => void heard.push(`${event}: ${data}`),
    touch: () => void heard.push(':'),
    finish: () => void heard.push('finish'),
    end: () => void heard.push('end'),
  };
  return { key, stream, heard };
};

t.test('asks once a second, only while somebody looks', async t => {
  const { world, sampler, pass } = start(t);
  await pass(3);
  t.equal(world.asked.length, 0);
  const [a, b] = [viewer(null), viewer(null)];
  const [leaveA, leaveB] = [sampler.watch(a), sampler.watch(b)];
  await pass(4);
  t.equal(world.asked.length, 4, 'for both together');
  leaveA();
  leaveB();
  await pass(5);
  t.equal(world.asked.length, 4);
  sampler.watch(a);
  await pass(2);
  t.equal(world.asked.length, 6, 'and begins again');
  sampler.stop();
  await pass(2);
  t.equal(world.asked.length, 6);
});

t.test('sends what differs from what is shown', async t => {
  const { world, sampler, pass } = start(t);
  const early = viewer(null);
  sampler.watch(early);
  await pass(2);
  world.prepared = 5;
  await pass(1);
  const late = viewer(null);
  sampler.watch(late);
  await pass(1);
  t.same(early.heard, ['prepared: 0', 'still: the same', 'prepared: 5']);
  t.same(late.heard, ['prepared: 5', 'still: the same']);
  await pass(30);
  t.ok(early.heard.includes(':'), 'a stream on which nothing changes is kept open');
});

t.test('asks with the keys of all viewers in turn, and finds out the one that is revoked', async t => {
  const { world, sampler, pass } = start(t);
  const viewers = ['one', 'two', 'revoked'].map(viewer);
  const leave = viewers.map(one => sampler.watch(one));
  await pass(3);
  t.same(world.asked.toSorted(), ['Bearer one', 'Bearer revoked', 'Bearer two']);
  t.same(
    viewers.map(({ heard }) => heard.includes('finish')),
    [false, false, true],
  );
  leave[2]!();
  await pass(2);
  t.ok(viewers[0]!.heard.length > 0);
});

t.test('what the broker is too busy to say stays as it was', async t => {
  const { world, sampler, pass } = start(t);
  const one = viewer(null);
  sampler.watch(one);
  await pass(1);
  world.status = 503;
  world.prepared = 9;
  await pass(3);
  t.same(one.heard, ['prepared: 0', 'still: the same']);
  world.status = 200;
  await pass(1);
  t.equal(one.heard.at(-1), 'prepared: 9');
});

t.test('rates are those of the last seconds, lines those of the last minutes without a hole', async t => {
  const { world, sampler, pass } = start(t);
  t.equal(sampler.course().rates, null, 'nothing is known at first');
  const leave = sampler.watch(viewer(null));
  for (let i = 0; i < 10; i++, world.prepared += 7) await pass(1);
  t.equal(sampler.course().rates!.prepared, 7);
  t.same(sampler.course().lines.prepared, Array(9).fill(7));
  t.equal(sampler.course().rates!.forwarded, 0);
  await pass(SAMPLES);
  t.equal(sampler.course().lines.prepared.length, SAMPLES - 1, 'no more than is shown');
  t.equal(sampler.course().rates!.prepared, 0);
  leave();
  await pass(1);
  world.now += 60_000;
  sampler.watch(viewer(null));
  await pass(2);
  t.equal(sampler.course().lines.prepared.length, 1, 'after a pause they begin anew');
});

t.test('what nobody foresaw ends the streams, not the broker', async t => {
  const { world, sampler, pass } = start(t);
  const one = viewer(null);
  const leave = sampler.watch(one);
  await pass(1);
  world.prepared = -1;
  await pass(1);
  t.equal(one.heard.at(-1), 'end');
  t.match(world.errors, [{ message: 'a fault of the console' }]);
  leave();
  world.prepared = 3;
  const other = viewer(null);
  sampler.watch(other);
  await pass(1);
  t.same(other.heard, ['prepared: 3', 'still: the same'], 'whoever comes back finds everything');
});

t.test('what somebody may have read out is sent more seldom', async t => {
  const { world, sampler, pass } = start(t);
  world.isRare = true;
  const one = viewer(null);
  sampler.watch(one);
  for (let i = 0; i < 20; i++, world.prepared++) await pass(1);
  const count = (name: string): number => one.heard.filter(line => line.startsWith(name)).length;
  t.equal(count('prepared'), 20);
  t.equal(count('rare'), 5, 'at first, and then every five seconds');
});

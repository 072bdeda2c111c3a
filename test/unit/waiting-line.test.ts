import fc from 'fast-check';
import t from 'tap';
import type { Command } from '../../broker/coordinator/commands.ts';
import { type Batch, type Load, type Submission, WaitingLine } from '../../broker/coordinator/waiting-line.ts';
import { halfMessage, prepareCommand, resolveCommand } from '../support/store.ts';

const NOTHING: Load = { commands: 0, bytes: 0 };
const MAX_COMMANDS = 1_000;
const MAX_MESSAGES = 5_000;
const TURN = 50;

const submissionOf = (commands: readonly Command[]): Submission => ({
  commands,
  outcomes: [],
  taken: 0,
  isFailed: false,
  settle: () => {},
  fail: () => {},
});

const numbered = (count: number, make: (id: number) => Command): Submission =>
  submissionOf(Array.from({ length: count }, (_, id) => make(id)));

const resolves = (prefix: string, count: number): Submission => numbered(count, id => resolveCommand(`${prefix}${id}`));

const TEMPLATE = prepareCommand('template', 'template');
/** 3 bytes of key and 5 of payload each. */
const MESSAGE = halfMessage({ key: Buffer.from('key'), payload: Buffer.from('12345') });
const MESSAGE_BYTES = 8;

const prepares = (prefix: string, count: number, messages = 1): Submission => {
  const all = Array<typeof MESSAGE>(messages).fill(MESSAGE);
  return numbered(count, id => ({ ...TEMPLATE, id: `${prefix}${id}`, messages: all }));
};

const read = ({ commands, bytes }: Readonly<Load>): Load => ({ commands, bytes });

/** Whose commands are in the batch, in series: `a 50, b 20`. */
const series = (batch: Batch, names: Readonly<Record<string, Submission>>): string => {
  const nameOf = (submission: Submission): string => Object.keys(names).find(name => names[name] === submission)!;
  const found: { name: string; length: number }[] = [];
  for (const submission of batch.from) {
    const last = found.at(-1);
    if (last?.name === nameOf(submission)) last.length++;
    else found.push({ name: nameOf(submission), length: 1 });
  }
  return found.map(({ name, length }) => `${name} ${length}`).join(', ');
};

t.test('an empty line has nothing to give', async t => {
  const line = new WaitingLine();
  t.same(line.take(), { commands: [], from: [], messages: 0 });
  t.same(line.clear(), []);
  t.same([line.load, line.loadOf('nobody')].map(read), [NOTHING, NOTHING]);
});

t.test('what ends something overtakes what begins something', async t => {
  const line = new WaitingLine();
  const [begun, first, second] = [prepares('p', 3), resolves('r', 2), resolves('s', 1)];
  line.add(begun, 'a');
  line.add(first, null);
  line.add(second, null);
  const batch = line.take();
  t.equal(series(batch, { begun, first, second }), 'first 2, second 1, begun 3');
  t.same(batch.commands, [...first.commands, ...second.commands, ...begun.commands]);
  t.equal(batch.messages, 3);
});

t.test('groups have turns of 50, whatever they submitted at once', async t => {
  const line = new WaitingLine();
  const [a, b, c] = [prepares('a', 120), prepares('b', 60), prepares('c', 10)];
  const alsoC = prepares('d', 45);
  line.add(a, 'a');
  line.add(b, 'b');
  line.add(c, 'c');
  line.add(alsoC, 'c');
  const names = { a, b, c, alsoC };
  t.equal(series(line.take(), names), 'a 50, b 50, c 10, alsoC 40, a 50, b 10, alsoC 5, a 20');
  t.same(line.take().commands, [], 'all of it was in one batch');
});

t.test('the turns go on in the next batch where the last one was full', async t => {
  const line = new WaitingLine();
  const [ending, a, b] = [resolves('r', 30), prepares('a', 2_000), prepares('b', 2_000)];
  line.add(ending, null);
  line.add(a, 'a');
  line.add(b, 'b');
  const batch = line.take();
  t.equal(batch.commands.length, MAX_COMMANDS);
  const turns = series(batch, { ending, a, b }).split(', ');
  t.same([turns[0], turns[1], turns[2], turns.at(-1)], ['ending 30', 'a 50', 'b 50', 'b 20']);
  t.match(series(line.take(), { a, b }), /^b 50, a 50/, 'whose turn was cut short is the next one');

  const [full, c, d] = [new WaitingLine(), prepares('c', 2_000), prepares('d', 2_000)];
  full.add(c, 'c');
  full.add(d, 'd');
  t.match(series(full.take(), { c, d }), /d 50$/, 'a batch may end with a turn');
  t.match(series(full.take(), { c, d }), /^c 50, d 50/);
});

t.test('a group that joins waits for one turn of each other', async t => {
  const line = new WaitingLine();
  const [greedy, polite] = [prepares('g', 30_000), prepares('p', 5)];
  line.add(greedy, 'greedy');
  line.take();
  line.add(polite, 'polite');
  t.equal(series(line.take(), { greedy, polite }), 'greedy 50, polite 5, greedy 945');
});

t.test('a batch has 1,000 commands at most', async t => {
  const line = new WaitingLine();
  const [ending, begun] = [resolves('r', 1_500), prepares('p', 10)];
  line.add(ending, null);
  line.add(begun, 'a');
  t.equal(series(line.take(), { ending, begun }), 'ending 1000');
  t.equal(series(line.take(), { ending, begun }), 'ending 500, begun 10');
});

t.test('a batch has 5,000 messages at most, and one command at least', async t => {
  const line = new WaitingLine();
  const [wide, huge, small] = [prepares('w', 60, 100), prepares('h', 1, 5_001), prepares('s', 2)];
  line.add(wide, 'a');
  const first = line.take();
  t.same([first.commands.length, first.messages], [50, 5_000], 'exactly full');
  t.equal(series(line.take(), { wide }), 'wide 10');
  line.add(huge, 'a');
  line.add(small, 'a');
  const second = line.take();
  t.same([series(second, { huge, small }), second.messages], ['huge 1', 5_001]);
  line.add(prepares('h', 1, 5_001), 'a');
  t.equal(series(line.take(), { small }), 'small 2', 'it waits for a batch of its own');
  t.equal(line.take().messages, 5_001);
});

t.test('the rest of what failed in part is not carried out, and costs nobody a turn', async t => {
  const line = new WaitingLine();
  const [ending, other] = [resolves('r', 1_500), resolves('o', 3)];
  const [lost, own] = [prepares('l', 120), prepares('p', 60)];
  const strange = prepares('s', 10);
  line.add(ending, null);
  line.add(other, null);
  line.add(lost, 'a');
  line.add(own, 'a');
  line.add(strange, 'b');
  const names = { ending, other, lost, own, strange };
  t.equal(series(line.take(), names), 'ending 1000');
  ending.isFailed = true;
  lost.isFailed = true;
  t.equal(line.load.commands, 693, 'it is counted until its turn comes');
  t.equal(series(line.take(), names), 'other 3, own 50, strange 10, own 10');
  t.same([line.load, line.loadOf('a'), line.loadOf('b')].map(read), [NOTHING, NOTHING, NOTHING]);
});

t.test('loads count commands, and the bytes of keys and payloads of prepares', async t => {
  const line = new WaitingLine();
  const empty = halfMessage({ key: null, payload: null });
  line.add(prepares('p', 70, 2), 'a');
  line.add(submissionOf([{ ...TEMPLATE, messages: [empty, MESSAGE] }]), 'b');
  line.add(resolves('r', 1_000 - 40), null);
  t.same(read(line.load), { commands: 1_031, bytes: 141 * MESSAGE_BYTES });
  t.same(read(line.loadOf('a')), { commands: 70, bytes: 140 * MESSAGE_BYTES });
  t.same(read(line.loadOf('b')), { commands: 1, bytes: MESSAGE_BYTES });
  t.same(read(line.loadOf('c')), NOTHING);
  line.take();
  t.same(read(line.loadOf('a')), { commands: 30, bytes: 60 * MESSAGE_BYTES }, 'a part of a submission is gone');
  t.same(read(line.load), { commands: 31, bytes: 61 * MESSAGE_BYTES });
});

t.test('clear gives everything that waits, and the line goes on', async t => {
  const line = new WaitingLine();
  const [done, ending, a, b] = [resolves('d', 1), resolves('r', 1_500), prepares('a', 5), prepares('b', 5)];
  line.add(done, null);
  line.add(a, 'a');
  line.add(ending, null);
  line.add(b, 'b');
  line.take();
  t.same(line.clear(), [ending, a, b], 'the one that is taken in part too, not the one that is done');
  t.same([line.load, line.loadOf('a'), line.loadOf('b')].map(read), [NOTHING, NOTHING, NOTHING]);
  t.same(line.take().commands, []);
  const [later, last] = [prepares('l', 2), resolves('z', 1)];
  line.add(later, 'a');
  line.add(last, null);
  t.equal(series(line.take(), { later, last }), 'last 1, later 2');
  t.same(read(line.load), NOTHING);
});

/** One step in the life of a line. `fail` names a submission by its number among those that were added. */
type Step =
  | { readonly do: 'add'; readonly group: string | null; readonly count: number; readonly messages: number }
  | { readonly do: 'take' }
  | { readonly do: 'clear' }
  | { readonly do: 'fail'; readonly number: number };

const GROUPS = ['a', 'b', 'c'];
const count = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 40, max: 60 }), fc.constant(700));
const messages = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constantFrom(100, 2_500, 6_000));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('add' as const), group: fc.constantFrom(null, ...GROUPS), count, messages }),
  },
  { weight: 4, arbitrary: fc.constant({ do: 'take' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), number: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'clear' as const }) },
);

interface Added {
  readonly submission: Submission;
  readonly group: string | null;
  readonly messages: number;
  /** Commands that came in a batch. */
  carried: number;
  isCleared: boolean;
}

/** A line, and beside it a list of what was added; throws where the two disagree. */
class Watched {
  readonly line = new WaitingLine();
  readonly all: Added[] = [];

  step(step: Step): void {
    if (step.do === 'add') this.#add(step.group, step.count, step.messages);
    else if (step.do === 'take') this.take();
    else if (step.do === 'clear') this.#clear();
    else if (this.all.length > 0) this.all[step.number % this.all.length]!.submission.isFailed = true;
    this.#compareLoads();
  }

  take(): void {
    const batch = this.line.take();
    for (const [i, submission] of batch.from.entries()) {
      const added = this.all.find(candidate => candidate.submission === submission)!;
      equal(added.isCleared || submission.isFailed, false, 'nothing of what failed or was cleared is carried out');
      equal(batch.commands[i], submission.commands[added.carried++], 'each command once, in the order given');
    }
    equal(batch.from.length, batch.commands.length, 'each command has its submission');
    this.#compareLimits(batch);
  }

  #add(group: string | null, count: number, messages: number): void {
    const submission = prepares(`${this.all.length}-`, count, messages);
    this.all.push({ submission, group, messages, carried: 0, isCleared: false });
    this.line.add(submission, group);
  }

  #clear(): void {
    const waiting = this.all.filter(added => rest(added) > 0);
    const cleared = new Set(this.line.clear());
    equal(cleared.size, waiting.length, 'all that waits, each once');
    for (const added of waiting) {
      equal(cleared.has(added.submission), true, 'what waits is cleared');
      added.isCleared = true;
    }
  }

  #compareLoads(): void {
    for (const added of this.all) {
      if (!added.submission.isFailed) equal(added.submission.taken, added.carried, 'what was taken was carried out');
    }
    same(this.line.load, loadOf(this.all));
    for (const group of GROUPS) same(this.line.loadOf(group), loadOf(this.all.filter(added => added.group === group)));
  }

  #compareLimits({ commands, from, messages }: Batch): void {
    let sum = 0;
    for (const command of commands) sum += command.type === 'prepare' ? command.messages.length : 0;
    equal(messages, sum, 'messages are counted');
    equal(commands.length <= MAX_COMMANDS, true, 'no more than so many commands');
    equal(messages <= MAX_MESSAGES || commands.length === 1, true, 'no more than so many messages');
    const groups = from.map(submission => this.all.find(added => added.submission === submission)!.group);
    const begins = groups.findIndex(group => group !== null);
    equal(begins < 0 || !groups.includes(null, begins), true, 'groups come after what goes first');
    equal(begins >= 0 && this.all.some(added => added.group === null && rest(added) > 0), false, 'all of it');
    for (const group of GROUPS) {
      const isLeft = this.all.some(added => added.group === group && rest(added) > 0);
      const own = groups.filter(name => name === group).length;
      const most = Math.max(...GROUPS.map(name => groups.filter(other => other === name).length));
      // A batch ends for all groups at once; whoever has more to say then is one turn behind at most.
      if (isLeft && begins >= 0) equal(most - own <= TURN, true, 'groups take turns');
    }
  }
}

const rest = ({ submission, isCleared }: Added): number =>
  isCleared ? 0 : submission.commands.length - submission.taken;

const loadOf = (all: readonly Added[]): Load => {
  const load: Load = { commands: 0, bytes: 0 };
  for (const added of all) {
    load.commands += rest(added);
    load.bytes += rest(added) * added.messages * MESSAGE_BYTES;
  }
  return load;
};

const equal = (found: unknown, wanted: unknown, what: string): void => {
  if (found !== wanted) throw new Error(`${what}: ${String(found)} instead of ${String(wanted)}`);
};

const same = (found: Readonly<Load>, wanted: Load): void => {
  equal(found.commands, wanted.commands, 'commands that wait');
  equal(found.bytes, wanted.bytes, 'bytes that wait');
};

t.test('whatever happens, everything is taken exactly once and in order, and the loads are exact', async t => {
  const property = fc.property(fc.array(step, { maxLength: 40 }), steps => {
    const watched = new Watched();
    for (const one of steps) watched.step(one);
    while (watched.line.load.commands > 0) {
      const before = watched.line.load.commands;
      watched.step({ do: 'take' });
      equal(watched.line.load.commands < before, true, 'a batch takes something');
    }
    for (const added of watched.all) {
      const isCarriedOut = !added.submission.isFailed && !added.isCleared;
      if (isCarriedOut) equal(added.carried, added.submission.commands.length, 'all commands were carried out');
    }
  });
  fc.assert(property, { numRuns: 200 });
  t.pass('held');
});

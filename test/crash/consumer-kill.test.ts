/** A consumer killed between effect and offset commit, again and again: each effect once, none missing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { cloudEvent, committed, expel, type Ledger, newGroup, openLedger, publish } from '../support/consumer-bench.ts';
import { needsKafka, newTopic, sharedKafka } from '../support/kafka.ts';
import { until } from '../support/until.ts';

t.setTimeout(150_000);

const KILLS = 10;
const RECORDS = 1_500;
const PARTITIONS = 3;

class ConsumerProcess {
  handled = 0;
  repeats = 0;
  readonly #child: ChildProcess;

  constructor(args: readonly string[]) {
    const program = resolve('test/support/consumer-process.ts');
    this.#child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', line => {
      const [handled, repeats] = line.split(' ');
      this.handled = Number(handled);
      this.repeats = Number(repeats);
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!this.isRunning) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exit;
  }
}

/** Kills a consumer while it works, and lets the next ones finish. Every fifth record is in the topic twice. */
const suffer = async (
  t: Test,
  way: 'sound' | 'outside',
  count: number,
  kills: number,
): Promise<{ ledger: Ledger; repeats: number }> => {
  const kafka = await sharedKafka(t);
  const topic = await newTopic(kafka, { partitions: PARTITIONS });
  const groupId = newGroup();
  const ledger = await openLedger(t);
  const records = Array.from({ length: count }, (_, index) =>
    cloudEvent(`t${index}.0`, '{"amount":1}', { partition: index % PARTITIONS }),
  );
  const again = records.filter((_, index) => index % 5 === 0);
  await publish(kafka, topic, [...records, ...again]);
  let repeats = 0;
  let running: ConsumerProcess | undefined;
  t.teardown(() => running?.end('SIGKILL'));
  const start = (): ConsumerProcess => {
    running = new ConsumerProcess([kafka.brokers.join(','), topic, groupId, ledger.file, way]);
    return running;
  };
  for (let kill = 1; kill <= kills; kill++) {
    const life = start();
    const target = ledger.count() + Math.floor(count / (kills + 4));
    await until('it has worked', () => ledger.count() >= target || !life.isRunning || ledger.count() >= count);
    await life.end('SIGKILL');
    repeats += life.repeats;
    // As Kafka would some seconds later.
    await expel(kafka, groupId);
  }
  const last = start();
  await until('all is told to Kafka', async () => {
    const offsets = await committed(kafka, groupId, topic);
    return offsets.every(offset => offset === (count + again.length) / PARTITIONS);
  });
  repeats += last.repeats;
  await last.end('SIGTERM');
  return { ledger, repeats };
};

t.test('effects and inbox are exact', needsKafka, async t => {
  const { ledger, repeats } = await suffer(t, 'sound', RECORDS, KILLS);
  t.comment(`${repeats} deliveries came again`);
  t.equal(ledger.sum(), RECORDS);
  t.equal(new Set(ledger.effects().map(({ id }) => id)).size, RECORDS, 'none missing, none twice');
  t.equal(ledger.ids().length, RECORDS, 'each id once in the inbox');
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const offsets = ledger
      .effects()
      .filter(effect => effect.partition === partition)
      .map(({ offset }) => offset);
    t.same(
      offsets,
      offsets.toSorted((a, b) => a - b),
      'in order',
    );
  }
});

t.test('the same check finds the row outside the transaction', needsKafka, async t => {
  const { ledger } = await suffer(t, 'outside', 300, 3);
  t.ok(ledger.sum() > 300, `${ledger.sum() - 300} effects too many`);
});

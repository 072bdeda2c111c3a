/** Everybody who can decide decides at once about the same transactions of a real broker, over HTTP. */
import type { BrokerProcess } from '../../test/support/broker-process.ts';
import { CheckHandler } from '../../test/support/check-handler.ts';
import { list } from '../../test/support/transactions.ts';
import type { PlantedFault } from '../planted-fault.ts';
import { Random } from '../random.ts';
import { memoryBroker } from './memory-broker.ts';
import { judgeRace, type RaceAnswer, type Shown } from './race-judge.ts';

const GROUP = 'racing';
/** Transactions about which all decide at once. */
const FIELD = 50;
/** Connections that each send a batch about the whole field, and those that send single calls beside them. */
const BATCHES = 8;
const SINGLES = 10;
/** After so many rounds the broker is killed and all is looked at again; the first time earlier. */
const KILLED_EVERY = 40;
const FIRST_KILL = 4;

export interface RaceOptions {
  readonly calls: number;
  readonly seed: number;
  readonly fault: PlantedFault | null;
  readonly dataDir: string;
  say(line: string): void;
  /** Ends the race early, with what there is. */
  isLate(): boolean;
}

export interface Raced {
  readonly calls: number;
  readonly transactions: number;
  /** Opposite calls that were refused. */
  readonly refused: number;
  /** Resolutions that won, by whom. */
  readonly winners: Readonly<Record<string, number>>;
  readonly checks: number;
  readonly kills: number;
  readonly anomalies: string[];
}

type Word = RaceAnswer['wanted'];

const toss = (random: Random): Word => (random.below(2) === 0 ? 'commit' : 'rollback');

const operation = (id: string, wanted: Word, isOperator: boolean) =>
  isOperator ? { op: wanted, id, reason: 'by hand' } : { op: wanted, id };

/** One round. Resolves with what everybody was told. */
const race = async (broker: BrokerProcess, ids: readonly string[], random: Random): Promise<RaceAnswer[]> => {
  const prepares = ids.map(id => ({ op: 'prepare', group: GROUP, id, messages: [{ topic: 'races', payload: id }] }));
  // The check-back joins in: it is told to ask at once.
  const asks = ids.map(id => ({ op: 'check', id, reason: 'to race' }));
  const made = await broker.post('/v1/batch', { operations: [...prepares, ...asks] });
  const isMade = made.status === 200 && made.body.results.every(({ status }: { status: number }) => status < 300);
  if (!isMade) throw new Error(`a field could not be prepared: ${made.status} ${JSON.stringify(made.body)}`);
  const answers: RaceAnswer[] = [];
  const batches = Array.from({ length: BATCHES }, async (_, i) => {
    const runners = random.shuffle([...ids]).map(id => ({ id, wanted: toss(random) }));
    const operations = runners.map(({ id, wanted }) => operation(id, wanted, i % 4 === 0));
    const { body } = await broker.post('/v1/batch', { operations });
    for (const [at, { id, wanted }] of runners.entries()) answers.push({ id, wanted, ...body.results[at] });
  });
  const singles = Array.from({ length: SINGLES }, async () => {
    const [id, wanted] = [ids[random.below(ids.length)]!, toss(random)];
    const { status, body } = await broker.post(`/v1/transactions/${id}/${wanted}`);
    answers.push({ id, wanted, status, body });
  });
  await Promise.all([...batches, ...singles]);
  return answers;
};

const shownIn = async (broker: BrokerProcess, since: string): Promise<Map<string, Shown>> => {
  const query = `group=${GROUP}&since=${since}`;
  const contradicted = new Set((await list(broker, `${query}&contradicted=true`)).map(({ id }) => id));
  const all = await list(broker, query);
  return new Map(all.map(item => [item.id, { ...item, contradicted: contradicted.has(item.id) }]));
};

export const runRaces = async ({ calls, seed, fault, dataDir, say, isLate }: RaceOptions): Promise<Raced> => {
  const random = new Random(seed);
  const handler = new CheckHandler();
  handler.answer(() => toss(random));
  await handler.listen();
  const broker = memoryBroker(dataDir, fault);
  const anomalies: string[] = [];
  const winners: Record<string, number> = {};
  let [made, transactions, refused, kills] = [0, 0, 0, 0];
  try {
    await broker.start();
    await broker.put(`/v1/producer-groups/${GROUP}`, { checkUrl: handler.url, topics: ['races'] });
    let since = new Date(0).toISOString();
    let kept: RaceAnswer[] = [];
    for (let round = 1; made < calls && anomalies.length === 0 && !isLate(); round++) {
      const ids = Array.from({ length: FIELD }, (_, i) => `race-${seed}-${round}-${i}`);
      const answers = await race(broker, ids, random);
      made += answers.length;
      transactions += ids.length;
      refused += answers.filter(({ status }) => status === 409).length;
      kept.push(...answers);
      const isLast = made >= calls || isLate();
      if (round !== FIRST_KILL && round % KILLED_EVERY !== 0 && !isLast) continue;
      // What was told must stand, also where the process that told it is gone.
      await broker.restart();
      kills++;
      const shown = await shownIn(broker, since);
      anomalies.push(...judgeRace(kept, shown));
      for (const { resolvedBy } of shown.values()) winners[`${resolvedBy}`] = (winners[`${resolvedBy}`] ?? 0) + 1;
      say(`${made} racing calls, ${refused} refused, ${anomalies.length} anomalies`);
      since = new Date().toISOString();
      kept = [];
    }
  } finally {
    await broker.kill();
    await handler.close();
  }
  return { calls: made, transactions, refused, winners, checks: handler.asked.length, kills, anomalies };
};

/** `npm run torture -- two-banks`: runs it and says whether the promise held. Exit code 0 held, 1 broken, 2 wrong use. */
import { parseArgs } from 'node:util';
import { KINDS, whyNot } from '../examples/transfer/databases.ts';
import { kafkaAvailable, startKafka } from '../tools/kafka/cluster.ts';
import { FAULTS } from './hooks/settings.ts';
import { record } from './record.ts';
import { KAFKA_PROPERTIES } from './stage.ts';
import { type RunOptions, runTwoBanks } from './two-banks.ts';
import { replayCommand, verdictText } from './verdict-text.ts';

const HELP = `Transfers between two banks while everything dies, and a judge at the end.

  npm run torture -- two-banks [options]

  --transfers N      how many (20000)
  --seed S           what is left to chance (the time)
  --database NAME    ${KINDS.join(', ')} (sqlite)
  --fault NAME       plant a fault that must turn it red: ${FAULTS.join(', ')}
  --callers N        transfers under way at the same time (16)
  --record           keep the result in torture/results, and render docs/reliability.md

It needs Java 17 and Maven, for a Kafka of its own that can be killed.
`;

const wholeNumber = (name: string, text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number above 0.`);
  return value;
};

const oneOf = <T extends string>(name: string, all: readonly T[], text: string): T => {
  const found = all.find(one => one === text);
  if (found === undefined) throw new RangeError(`--${name} must be one of ${all.join(', ')}.`);
  return found;
};

type Wanted = Omit<RunOptions, 'kafka'> & { readonly isRecorded: boolean };

const read = (args: string[]): Wanted => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      transfers: { type: 'string', default: '20000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
      database: { type: 'string', default: 'sqlite' },
      fault: { type: 'string' },
      callers: { type: 'string', default: '16' },
      record: { type: 'boolean', default: false },
    },
  });
  if (positionals.join() !== 'two-banks') throw new RangeError('Say what to run: two-banks.');
  const transfers = wholeNumber('transfers', values.transfers);
  return {
    transfers,
    seed: wholeNumber('seed', values.seed),
    database: oneOf('database', KINDS, values.database),
    fault: values.fault === undefined ? null : oneOf('fault', FAULTS, values.fault),
    banksA: 3,
    banksB: 2,
    callers: wholeNumber('callers', values.callers),
    limitMs: 300_000 + transfers * 100,
    isRecorded: values.record,
  };
};

const main = async (args: string[]): Promise<number> => {
  let wanted: Wanted;
  try {
    if (args.includes('--help') || args.length === 0) {
      console.log(HELP);
      return args.length === 0 ? 2 : 0;
    }
    wanted = read(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
  const env = { ...process.env, KAFKA_BROKERS: undefined };
  const { how, why } = kafkaAvailable(env);
  const objection = whyNot(wanted.database) ?? (how === 'java' ? null : (why ?? 'Killing Kafka needs Java and Maven.'));
  if (objection !== null) {
    console.error(objection);
    return 2;
  }
  console.log(`running: ${replayCommand({ ...wanted, kafka: null as never })}`);
  const kafka = await startKafka({ env, properties: KAFKA_PROPERTIES });
  try {
    const options = { ...wanted, kafka };
    const result = { ...options, ...(await runTwoBanks(options)) };
    console.log(verdictText(result));
    if (wanted.isRecorded) record(result);
    return result.verdict.anomalies.length === 0 ? 0 : 1;
  } finally {
    await kafka.close();
  }
};

process.exitCode = await main(process.argv.slice(2));

/** `npm run torture -- two-banks`: runs it and says whether the promise held. */
import { parseArgs } from 'node:util';
import { KINDS, whyNot } from '../examples/transfer/databases.ts';
import { kafkaAvailable, startKafka } from '../tools/kafka/cluster.ts';
import { oneOf, wholeNumber } from './arguments.ts';
import { FAULTS } from './hooks/settings.ts';
import { record } from './record.ts';
import { KAFKA_PROPERTIES } from './stage.ts';
import { type RunOptions, runTwoBanks } from './two-banks.ts';
import { replayCommand, verdictText } from './verdict-text.ts';

export const TWO_BANKS_HELP = `Transfers between two banks while everything dies, and a judge at the end.

  npm run torture -- two-banks [options]

  --transfers N      how many (20000)
  --seed S           what is left to chance (the time)
  --database NAME    ${KINDS.join(', ')} (sqlite)
  --fault NAME       plant a fault that must turn it red: ${FAULTS.join(', ')}
  --callers N        transfers under way at the same time (16)
  --record           keep the result in torture/results, and render docs/reliability.md

It needs Java 17 and Maven, for a Kafka of its own that can be killed.
`;

type Wanted = Omit<RunOptions, 'kafka'> & { readonly isRecorded: boolean };

const wantedIn = (args: string[]): Wanted => {
  const { values } = parseArgs({
    args,
    options: {
      transfers: { type: 'string', default: '20000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
      database: { type: 'string', default: 'sqlite' },
      fault: { type: 'string' },
      callers: { type: 'string', default: '16' },
      record: { type: 'boolean', default: false },
    },
  });
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

/** Exit code 0: the promise held, 1: it did not, 2: it cannot run here. Throws where the arguments are wrong. */
export const twoBanksCommand = async (args: string[]): Promise<number> => {
  const wanted = wantedIn(args);
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

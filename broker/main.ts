/** Process entry: the command line, start, close on a signal. */
import closeWithGrace from 'close-with-grace';
import { pino } from 'pino';
import { keysCommand } from './cli/keys.ts';
import { type Config, ConfigError, fromEnvironment, readConfig, settingsHelp } from './config.ts';
import { VERSION } from './version.ts';

const EXIT = { done: 0, failed: 1, wrongUse: 2 } as const;
/** Everything in hand is finished or given up before this. */
const STOP_WITHIN_MS = 8_000;
const EXIT_WITHIN_MS = 9_500;

const HELP = `escrowmq ${VERSION}: transactional messages for Kafka

Usage: escrowmq serve [settings]     runs the broker
       escrowmq keys create|list|revoke     API keys of a running broker; \`escrowmq keys --help\` says more
       escrowmq --help | --version

Settings of serve (each also as environment variable: --data-dir is ESCROWMQ_DATA_DIR):
${settingsHelp()}

Times are written 500ms, 10s, 10m, 72h.

Examples:
  escrowmq serve --publisher memory
  escrowmq serve --kafka-brokers kafka-1:9092,kafka-2:9092 --data-dir /var/lib/escrowmq
  escrowmq keys create --role producer --group bank-a
`;

const remark = (sentence: string): void => {
  process.stderr.write(`escrowmq: ${sentence}\n`);
};

const refuse = (sentences: readonly string[], code: number): never => {
  for (const sentence of sentences) remark(sentence);
  process.exit(code);
};

const serve = async (config: Config): Promise<void> => {
  // Not for the commands that only call a broker: it takes several times as long to load as they do.
  const { startBroker } = await import('./broker.ts');
  const { DataFolderError } = await import('./store/data-folder.ts');
  const log = pino({ level: config.logLevel });
  const fatal = (error: Error): never => {
    log.fatal({ err: error }, 'the broker cannot go on; what was acknowledged is safe, start it again');
    process.exit(EXIT.failed);
  };
  const starting = startBroker(config, log, fatal);
  closeWithGrace({ delay: EXIT_WITHIN_MS, logger: false }, async ({ signal, err }) => {
    if (err) fatal(err);
    log.info({ event: 'stopping', signal }, `${signal}: finishing what is in hand`);
    await (await starting).stop(STOP_WITHIN_MS);
    log.info({ event: 'stopped' }, 'stopped');
  });
  await starting.catch((error: unknown) => {
    if (error instanceof ConfigError) throw error;
    if (error instanceof DataFolderError) return refuse([error.message], EXIT.failed);
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      return refuse([`${config.host}:${config.port} is taken by another program.`], EXIT.failed);
    if (code === 'EADDRNOTAVAIL') return refuse([`${config.host} is not an address of this machine.`], EXIT.failed);
    return refuse([`cannot start: ${message}`], EXIT.failed);
  });
};

const [command, ...args] = process.argv.slice(2);
if (command === 'keys') {
  const write = (text: string): void => void process.stdout.write(text);
  process.exitCode = await keysCommand(args, { environment: fromEnvironment, write, remark });
} else if (command === '--version' || command === '-v') {
  process.stdout.write(`${VERSION}\n`);
} else if (
  command === '--help' ||
  command === '-h' ||
  command === 'help' ||
  args.includes('--help') ||
  args.includes('-h')
) {
  process.stdout.write(HELP);
} else if (command === 'serve') {
  try {
    await serve(readConfig(args));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    refuse([...error.mistakes, 'Nothing was started. `escrowmq --help` lists all settings.'], EXIT.wrongUse);
  }
} else {
  refuse(
    [
      command === undefined ? 'Say what to do: escrowmq serve, or escrowmq keys.' : `There is no command "${command}".`,
      '`escrowmq --help` shows what there is.',
    ],
    EXIT.wrongUse,
  );
}
process.exitCode ??= EXIT.done;

/** Process entry: the command line, start, close on a signal. */
import closeWithGrace from 'close-with-grace';
import { type Logger, pino } from 'pino';
import type { Broker } from './broker.ts';
import { commandTable } from './cli/commands.ts';
import { overview } from './cli/help.ts';
import { runProgram } from './cli/program.ts';
import { processTerminal } from './cli/terminal.ts';
import { type Config, ConfigError, fromEnvironment, readConfig, terminalWishes } from './config.ts';
import { VERSION } from './version.ts';

const EXIT = { done: 0, failed: 1, wrongUse: 2 } as const;
/** Everything in hand is finished or given up before this. */
const STOP_WITHIN_MS = 8_000;
const EXIT_WITHIN_MS = 9_500;

const remark = (sentence: string): void => {
  process.stderr.write(`escrowmq: ${sentence}\n`);
};

const refuse = (sentences: readonly string[], code: number): never => {
  for (const sentence of sentences) remark(sentence);
  process.exit(code);
};

/** Ends the process with a sentence where the broker cannot be had. Rejects with ConfigError. */
const start = async (config: Config, log: Logger, fatal: (error: Error) => never): Promise<Broker> => {
  // Not for the commands that only call a broker: it takes several times as long to load as they do.
  const { startBroker } = await import('./broker.ts');
  const { DataFolderError } = await import('./store/data-folder.ts');
  try {
    return await startBroker(config, log, fatal);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof DataFolderError) return refuse([error.message], EXIT.failed);
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      return refuse([`${config.host}:${config.port} is taken by another program.`], EXIT.failed);
    if (code === 'EADDRNOTAVAIL') return refuse([`${config.host} is not an address of this machine.`], EXIT.failed);
    return refuse([`cannot start: ${message}`], EXIT.failed);
  }
};

const run = async (config: Config): Promise<void> => {
  const log = pino({ level: config.logLevel });
  const fatal = (error: Error): never => {
    log.fatal({ err: error }, 'the broker cannot go on; what was acknowledged is safe, start it again');
    process.exit(EXIT.failed);
  };
  const starting = start(config, log, fatal);
  closeWithGrace({ delay: EXIT_WITHIN_MS, logger: false }, async ({ signal, err }) => {
    if (err) fatal(err);
    log.info({ event: 'stopping', signal }, `${signal}: finishing what is in hand`);
    await (await starting).stop(STOP_WITHIN_MS);
    log.info({ event: 'stopped' }, 'stopped');
  });
  await starting;
};

const serve = async (settings: string[]): Promise<void> => {
  try {
    await run(readConfig(settings));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    refuse([...error.mistakes, 'Nothing was started. `escrowmq --help` lists all settings.'], EXIT.wrongUse);
  }
};

/** Its log is nobody's: what happens is seen by the commands. */
const startToTry = (settings: string[]): Promise<Broker> => {
  const fatal = (error: Error): never => refuse([`the broker cannot go on: ${error.message}`], EXIT.failed);
  return start(readConfig(settings, {}), pino({ level: 'silent' }, { write: () => undefined }), fatal);
};

const COMMANDS = commandTable({ serve, startToTry });

const given = process.argv.slice(2);
const args = given[0] === 'help' && given.length > 1 ? [...given.slice(1), '--help'] : given;
const { columns, noColour } = terminalWishes();
const terminal = processTerminal(
  { environment: fromEnvironment, widthSet: columns, isColourless: noColour },
  // Whoever read the output has seen enough.
  code =>
    code === 'EPIPE' ? process.exit(EXIT.done) : refuse([`Standard output cannot be written (${code}).`], EXIT.failed),
);
if (args[0] === '--version' || args[0] === '-v') {
  await terminal.write(`${VERSION}\n`);
} else if (args[0] === '--help' || args[0] === '-h' || args[0] === 'help') {
  await terminal.write(overview(`escrowmq ${VERSION}: transactional messages for Kafka`, COMMANDS));
} else if (args[0] === undefined) {
  refuse(
    ['Say what to do: escrowmq serve, or escrowmq status.', '`escrowmq --help` shows what there is.'],
    EXIT.wrongUse,
  );
} else {
  process.exitCode = await runProgram(COMMANDS, args, terminal);
}

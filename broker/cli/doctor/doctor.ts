/** `escrowmq doctor`: everything that a broker needs, looked at with the settings that `serve` would get. */
import { type Config, ConfigError, readConfig, settingFlags } from '../../config.ts';
import type { Command } from '../command.ts';
import { brokerAddress } from '../command-line.ts';
import { BROKER_FLAGS, type Flags } from '../flags.ts';
import type { Input } from '../input.ts';
import type { Terminal } from '../terminal.ts';
import { coloured, jsonLine, plain } from '../terminal-text.ts';
import { type Finding, fail, ok } from './finding.ts';

const SETTING_FLAGS: Flags = settingFlags();

/** Their contents open doors. */
const SECRET_FILES = ['operator-key-file', 'tls-key-file', 'kafka-key-file', 'kafka-password-file'];

/** The settings as `serve` would be given them. */
const settingArguments = (input: Input): string[] =>
  Object.keys(SETTING_FLAGS).flatMap(flag => {
    const text = input.text(flag);
    if (text !== null) return [`--${flag}=${text}`];
    return input.isSet(flag) ? [`--${flag}`] : [];
  });

/** Where a broker with these settings listens; null: at a port that nobody can know. */
const addressOf = ({ host, port, tls }: Config): string | null => {
  if (port === 0) return null;
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `${tls === null ? 'http' : 'https'}://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
};

/** In the order in which they matter; each list as soon as it is known. */
async function* examine(input: Input, terminal: Terminal): AsyncGenerator<Finding[]> {
  // It takes as long to load as a broker does.
  const { checkAllowFault } = await import('../../inspection.ts');
  const { folderFindings, secretFindings } = await import('./data-folder.ts');
  const { kafkaFindings } = await import('./kafka.ts');
  const { brokerFindings } = await import('./running-broker.ts');
  let config: Config;
  try {
    config = readConfig(settingArguments(input));
    const fault = checkAllowFault(config);
    if (fault !== null) throw new ConfigError([fault]);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    yield error.mistakes.map(mistake => fail('settings', mistake, '`escrowmq serve --help` lists all settings.'));
    return;
  }
  yield [ok('settings', 'They fit together.')];
  const fileOf = (flag: string): string | null => input.text(flag) ?? terminal.environment(flag);
  yield secretFindings(SECRET_FILES.map(flag => [flag, fileOf(flag)] as const).filter(hasFile));
  const folder = folderFindings(config.dataDir, config.diskReserveBytes);
  yield folder.findings;
  const isGiven = (input.text('url') ?? terminal.environment('url')) !== null;
  const address = addressOf(config);
  let topics = folder.topics;
  if (isGiven || address !== null) {
    const broker = brokerAddress(input, terminal, address ?? undefined);
    const key = broker.key ?? config.operatorKey;
    const running = await brokerFindings({ ...broker, key }, isGiven || folder.isInUse);
    if (running.topics.length > 0) topics = running.topics;
    yield running.findings;
  }
  yield await kafkaFindings(config.kafka, topics);
}

const hasFile = (entry: readonly [string, string | null]): entry is readonly [string, string] => entry[1] !== null;

const WIDTH = 4;

const lineOf = ({ check, status, detail, advice }: Finding, terminal: Terminal): string => {
  const state = coloured(status, terminal) + ' '.repeat(WIDTH - status.length);
  const todo = advice === null ? '' : `${' '.repeat(WIDTH)}  → ${plain(advice)}\n`;
  return `${state}  ${plain(`${check}: ${detail}`)}\n${todo}`;
};

export const doctorCommand: Command = {
  name: 'doctor',
  does: 'looks whether everything is there that a broker needs',
  flags: { ...BROKER_FLAGS, json: { help: 'one document, for programs' }, ...SETTING_FLAGS },
  more: `Give it the flags and the environment that serve gets. It changes nothing. Looked at are the settings, the data folder
and who can read it, the disk, SQLite, the database (read through, unless a broker holds it), Kafka, the replicas and
min.insync.replicas of the topics that messages were prepared for, and, where a broker runs at --url (default: where
the settings say), what it says of itself and whether every producer group answers the test question.

Exit code 1: something of it is marked "fail".`,
  examples: ['doctor --kafka-brokers kafka-1:9092 --data-dir /var/lib/escrowmq', 'doctor --publisher memory --json'],
  async run(input, terminal) {
    const all: Finding[] = [];
    for await (const findings of examine(input, terminal)) {
      all.push(...findings);
      if (!input.isSet('json')) await terminal.write(findings.map(finding => lineOf(finding, terminal)).join(''));
    }
    const isGood = all.every(({ status }) => status !== 'fail');
    if (input.isSet('json')) await terminal.write(jsonLine({ ok: isGood, findings: all }));
    return isGood ? 0 : 1;
  },
};

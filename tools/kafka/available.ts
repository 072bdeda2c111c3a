/** Where a Kafka can come from on this machine. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { jarsAreCached } from './jars.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface KafkaAvailability {
  /** `given`: KAFKA_BROKERS names it; `java`: started from jars; `docker`: started as a container; `none`: see `why`. */
  readonly how: 'given' | 'java' | 'docker' | 'none';
  /** A sentence that says what to install, only where there is none. */
  readonly why?: string;
}

const OLDEST_JAVA = 17;

/** Looks, and starts nothing but `java -version` and `docker info`. */
export const kafkaAvailable = (env: Environment = process.env): KafkaAvailability => {
  if (givenBrokers(env).length > 0) return { how: 'given' };
  const java = javaVersion(env);
  const lacks: string[] = [];
  if (java === undefined) lacks.push('there is no java on PATH');
  else if (java < OLDEST_JAVA) lacks.push(`java on PATH is version ${java}, older than ${OLDEST_JAVA}`);
  if (!onPath('mvn', env) && !jarsAreCached(env)) lacks.push('there is no mvn (Maven) on PATH');
  if (lacks.length === 0) return { how: 'java' };
  if (dockerAnswers(env)) return { how: 'docker' };
  const why =
    `No Kafka can be started: ${lacks.join(', ')}, and no Docker engine answers. Install Java ${OLDEST_JAVA} or newer ` +
    'and Maven (Debian, Ubuntu: apt-get install default-jre-headless maven), or start Docker, ' +
    'or name running brokers: KAFKA_BROKERS=host:port,host:port.';
  return { how: 'none', why };
};

/** The addresses in KAFKA_BROKERS, none if it is unset or empty. */
export const givenBrokers = (env: Environment = process.env): string[] =>
  (env.KAFKA_BROKERS ?? '')
    .split(',')
    .map(broker => broker.trim())
    .filter(broker => broker !== '');

const javaVersion = (env: Environment): number | undefined => {
  if (!onPath('java', env)) return undefined;
  const { stderr, stdout } = spawnSync('java', ['-version'], { env, encoding: 'utf8', timeout: 20_000 });
  // Java 8 and older call themselves 1.8.
  const version = /version "(?:1\.)?(\d+)/.exec(`${stderr}${stdout}`)?.[1];
  return version === undefined ? undefined : Number(version);
};

const dockerAnswers = (env: Environment): boolean =>
  onPath('docker', env) && spawnSync('docker', ['info'], { env, stdio: 'ignore', timeout: 10_000 }).status === 0;

const onPath = (command: string, env: Environment): boolean =>
  (env.PATH ?? '').split(path.delimiter).some(folder => {
    try {
      accessSync(path.join(folder, command), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });

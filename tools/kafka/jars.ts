/** The jars of Kafka, copied by Maven once per version into a folder outside the repository. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

const POM = path.join(import.meta.dirname, 'pom.xml');
const MARKER = '.complete';
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/** The version of Kafka that the pom names. */
export const KAFKA_VERSION = /<kafka\.version>([^<]+)</.exec(readFileSync(POM, 'utf8'))?.[1] ?? 'of unknown version';

/** Where downloads are kept: `ESCROWMQ_CACHE_DIR`, else `XDG_CACHE_HOME/escrowmq`, else `~/.cache/escrowmq`. */
export const cacheFolder = (env: Environment = process.env): string => {
  if (env.ESCROWMQ_CACHE_DIR) return path.resolve(env.ESCROWMQ_CACHE_DIR);
  // The XDG specification says that a relative path is to be ignored.
  if (env.XDG_CACHE_HOME && path.isAbsolute(env.XDG_CACHE_HOME)) return path.join(env.XDG_CACHE_HOME, 'escrowmq');
  return path.join(env.HOME || homedir(), '.cache', 'escrowmq');
};

/** The folder of this pom's jars: its name holds a hash of the pom, so that another version is another folder. */
export const jarFolder = (env: Environment = process.env): string => {
  const hash = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 12);
  return path.join(cacheFolder(env), `kafka-${KAFKA_VERSION}-${hash}`);
};

/** Whether the jars are there already, so that Maven is not needed. */
export const jarsAreCached = (env: Environment = process.env): boolean => existsSync(path.join(jarFolder(env), MARKER));

/**
 * The folder with the jars, downloaded if it is not there. Safe when several processes start at once: each copies into
 * a folder of its own, and the first one to rename it wins. Rejects with the end of Maven's output.
 */
export const kafkaJars = async (log: (line: string) => void, env: Environment = process.env): Promise<string> => {
  const folder = jarFolder(env);
  if (jarsAreCached(env)) return folder;
  log(`copying Apache Kafka ${KAFKA_VERSION} with Maven into ${folder} (45 MB, only once)`);
  mkdirSync(cacheFolder(env), { recursive: true });
  removeAbandoned(cacheFolder(env));
  const own = mkdtempSync(`${folder}.tmp-`);
  try {
    await maven(own, env);
    writeFileSync(path.join(own, MARKER), '');
    adopt(own, folder);
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return folder;
};

const adopt = (own: string, folder: string): void => {
  // A folder without the marker cannot be ours, which arrive whole: somebody deleted a part of it.
  if (existsSync(folder) && !existsSync(path.join(folder, MARKER))) rmSync(folder, { recursive: true, force: true });
  try {
    renameSync(own, folder);
  } catch (error) {
    if (!existsSync(path.join(folder, MARKER))) throw error;
  }
};

/** A download that was killed leaves its folder behind; after an hour nobody is writing to it any more. */
const removeAbandoned = (cache: string): void => {
  for (const name of readdirSync(cache).filter(entry => /^kafka-.*\.tmp-/.test(entry))) {
    const folder = path.join(cache, name);
    const age = Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > ABANDONED_AFTER_MS) rmSync(folder, { recursive: true, force: true });
  }
};

const maven = (target: string, env: Environment): Promise<void> =>
  new Promise((resolve, reject) => {
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${target}`, '-DincludeScope=runtime'];
    const child = spawn('mvn', ['-B', '-q', '-f', POM, ...goal], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk).slice(-8000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', error => reject(new Error(`Maven (mvn) cannot be started: ${error.message}`)));
    child.on('close', code => {
      if (code === 0) return resolve();
      const tail = output.trim().split('\n').slice(-20).join('\n');
      reject(new Error(`Maven could not copy the jars of Kafka (exit code ${code}). The end of its output:\n${tail}`));
    });
  });

/** Where the servers of databases lie on this machine, and as whom they may run. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import path from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Debian keeps the programs of PostgreSQL out of PATH, one folder for each major version. */
const DEBIAN_POSTGRES = '/usr/lib/postgresql';
/** Debian keeps servers here, and ordinary users have it not on PATH. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];

export interface DatabaseAvailability {
  /** Where each program lies; undefined where one is missing. */
  readonly programs?: Readonly<Record<string, string>>;
  /** A sentence that says what to install, only where something is missing. */
  readonly why?: string;
}

export const postgresAvailable = (env: Environment = process.env): DatabaseAvailability =>
  found('PostgreSQL', ['postgres', 'initdb'], 'postgresql', [...debianPostgres(), ...folders(env)]);

export const mariadbAvailable = (env: Environment = process.env): DatabaseAvailability =>
  found('MariaDB', ['mariadbd', 'mariadb-install-db'], 'mariadb-server', [...folders(env), ...SERVER_FOLDERS]);

const found = (
  name: string,
  wanted: readonly string[],
  debianPackage: string,
  where: readonly string[],
): DatabaseAvailability => {
  const programs: Record<string, string> = {};
  for (const program of wanted) {
    const folder = where.find(folder => isExecutable(path.join(folder, program)));
    if (folder === undefined) {
      const why = `No ${name} can be started: there is no ${program}. Debian, Ubuntu: apt-get install ${debianPackage}`;
      return { why };
    }
    programs[program] = path.join(folder, program);
  }
  return { programs };
};

/** The newest major version first. */
const debianPostgres = (): string[] => {
  try {
    return readdirSync(DEBIAN_POSTGRES)
      .sort((a, b) => Number(b) - Number(a))
      .map(version => path.join(DEBIAN_POSTGRES, version, 'bin'));
  } catch {
    return [];
  }
};

const folders = (env: Environment): string[] => (env.PATH ?? '').split(path.delimiter).filter(folder => folder !== '');

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** Servers of databases refuse to run as root: the first of these accounts that exists. Undefined: as whoever we are. */
export const account = (names: readonly string[]): Account | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of names) {
    const [uid, gid] = ['-u', '-g'].map(what => spawnSync('id', [what, name], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error(`None of the accounts ${names.join(', ')} exists, and a database server refuses to run as root.`);
};

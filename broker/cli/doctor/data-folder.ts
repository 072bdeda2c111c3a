/** What the doctor says of the data folder, the disk and the database. */
import { statSync } from 'node:fs';
import { inspectDatabase, inspectFolder, inspectSqlite } from '../../inspection.ts';
import { bytesText } from '../terminal-text.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

type Folder = ReturnType<typeof inspectFolder>;

/** Below this even without a reserve there is little. */
const LITTLE_BYTES = 1024 ** 3;

const placeOf = ({ path, nearest, isFolder, isPossible, isWritable, isInUse, closed }: Folder): Finding => {
  const check = 'data folder';
  if (!isPossible)
    return fail(check, `${nearest} is no folder.`, 'Name another one with --data-dir, or move the file away.');
  if (!isWritable) {
    const what = isFolder ? `${path} cannot be written` : `${path} cannot be made: ${nearest} cannot be written`;
    return fail(check, `${what} by this user.`, `Give it to the user of the broker: chown USER ${nearest}`);
  }
  if (closed.length > 0)
    return fail(check, `${closed.join(', ')} in ${path} cannot be written by this user.`, `chown USER ${path}/*`);
  if (!isFolder) return ok(check, `${path} will be made at the first start.`);
  return ok(check, `${path} can be written; ${isInUse ? 'a broker is using it' : 'no broker is using it'}.`);
};

const modesOf = ({ path, open }: Folder): Finding => {
  const check = 'file modes';
  if (open.length === 0) return ok(check, 'Nobody but the owner can read what is stored.');
  const names = open.map(({ name, mode }) => `${name === '.' ? 'the folder' : name} (${mode})`);
  return warn(
    check,
    `Others can read or change ${names.join(', ')}.`,
    `Payloads are in there: chmod 700 ${path}; chmod 600 ${path}/*`,
  );
};

const diskOf = ({ nearest, freeBytes, reserveBytes }: Folder): Finding => {
  const check = 'disk';
  const detail = `${bytesText(freeBytes)} are free, the reserve is ${bytesText(reserveBytes)}.`;
  const advice = `Make room on the disk of ${nearest}.`;
  if (freeBytes <= reserveBytes) return fail(check, `${detail} New transactions are refused.`, advice);
  return freeBytes < 2 * reserveBytes + LITTLE_BYTES ? warn(check, detail, advice) : ok(check, detail);
};

const sqliteOf = (): Finding => {
  const { sqliteVersion, fault } = inspectSqlite();
  if (fault !== null) return fail('SQLite', fault, 'Install the packages anew: npm ci');
  return ok('SQLite', `Version ${sqliteVersion} is built in.`);
};

/** Files with secrets, by flag. */
export const secretFindings = (files: readonly (readonly [flag: string, path: string])[]): Finding[] =>
  files.flatMap(([flag, path]) => {
    const mode = statSync(path).mode & 0o777;
    if ((mode & 0o077) === 0) return [];
    return [warn('secrets', `Others can read ${path} of --${flag} (${mode.toString(8)}).`, `chmod 600 ${path}`)];
  });

export interface FolderFindings {
  readonly findings: Finding[];
  readonly isInUse: boolean;
  /** Topics that messages were prepared for, as far as the database could be read. */
  readonly topics: readonly string[];
}

export const folderFindings = (dataDir: string, reserveBytes: number): FolderFindings => {
  let folder: Folder;
  try {
    folder = inspectFolder(dataDir, reserveBytes);
  } catch (error) {
    const advice = 'Run the doctor as the user that the broker runs as.';
    const finding = fail('data folder', `${dataDir} cannot be looked at: ${(error as Error).message}.`, advice);
    return { findings: [finding, sqliteOf()], isInUse: false, topics: [] };
  }
  const { isFolder, isInUse, hasDatabase } = folder;
  const findings = [placeOf(folder), ...(isFolder ? [modesOf(folder)] : []), diskOf(folder), sqliteOf()];
  if (!hasDatabase) return { findings, isInUse, topics: [] };
  if (isInUse) {
    findings.push(ok('database', 'A broker holds it, so it is not read here.'));
    return { findings, isInUse, topics: [] };
  }
  const { fault, topics } = inspectDatabase(folder);
  findings.push(
    fault === null
      ? ok('database', 'It was read through and is whole.')
      : fail('database', fault, 'Put a backup into an empty data folder; keep this one to look into.'),
  );
  return { findings, isInUse, topics };
};

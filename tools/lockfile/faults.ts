/** What a lock file must not say: whatever would let an installation bring in, or run, what nobody looked at. */

export interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  /** A workspace of this repository. */
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}

export interface LockFile {
  readonly lockfileVersion: number;
  /** By path; the empty one is the repository itself. */
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

export interface Expected {
  /** Folders of this repository that are packages. */
  readonly workspaces: readonly string[];
  /** Names of packages that may run something when they are installed. */
  readonly installScripts: readonly string[];
}

const SHA512 = /^sha512-[A-Za-z0-9+/]{86}==$/;
const EXACT_VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** `a/node_modules/@b/c` → `@b/c` */
const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

const faultsOf = (path: string, locked: LockedPackage, { workspaces, installScripts }: Expected): string[] => {
  const { version = '', resolved, integrity = '', link, hasInstallScript } = locked;
  const own = path === '' || workspaces.includes(path);
  const faults: string[] = [];
  if (own) {
    if (resolved !== undefined || link) faults.push(`${path} is a folder of this repository, and comes from elsewhere`);
    return faults;
  }
  if (link) {
    if (!workspaces.includes(resolved ?? '')) faults.push(`${path} leads to ${resolved}, which is no workspace`);
    return faults;
  }
  if (!path.includes('node_modules/')) faults.push(`${path} is neither a workspace nor a package`);
  if (resolved !== undefined) faults.push(`${path} names where it comes from: ${resolved}`);
  if (!SHA512.test(integrity)) faults.push(`${path} has no SHA-512 by which to know it`);
  if (!EXACT_VERSION.test(version)) faults.push(`${path} has no exact version, but ${JSON.stringify(version)}`);
  if (hasInstallScript && !installScripts.includes(nameOf(path)))
    faults.push(`${path} runs a script when it is installed, and is not on the list`);
  return faults;
};

/** Sentences; none: everything is as it should be. */
export const lockFileFaults = (lock: LockFile, expected: Expected): string[] => {
  const entries = Object.entries(lock.packages);
  const faults = entries.flatMap(([path, locked]) => faultsOf(path, locked, expected));
  if (lock.lockfileVersion !== 3) faults.push(`the lock file has version ${lock.lockfileVersion}, not 3`);
  for (const folder of expected.workspaces) {
    if (!(folder in lock.packages)) faults.push(`the workspace ${folder} is missing`);
  }
  return faults;
};

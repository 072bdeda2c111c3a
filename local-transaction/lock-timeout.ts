/** Whether an error says that somebody else held a lock for too long. Drivers and tools wrap errors, so causes count. */

/** PostgreSQL: lock_not_available; MariaDB and MySQL: 1205; SQLite: busy. */
const CODES = new Set<unknown>([
  '55P03',
  'ER_LOCK_WAIT_TIMEOUT',
  'SQLITE_BUSY',
  'SQLITE_BUSY_SNAPSHOT',
  'SQLITE_BUSY_RECOVERY',
]);
const LOCK_WAIT_TIMEOUT = 1205;
/** Deeper than any tool wraps. */
const DEPTH = 8;

interface DriverError {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly cause?: unknown;
  readonly driverError?: unknown;
  readonly meta?: unknown;
}

export const isLockTimeout = (error: unknown, depth = 0): boolean => {
  if (typeof error !== 'object' || error === null || depth > DEPTH) return false;
  const { code, errno, cause, driverError, meta } = error as DriverError;
  if (CODES.has(code) || errno === LOCK_WAIT_TIMEOUT) return true;
  return [cause, driverError, meta].some(inner => isLockTimeout(inner, depth + 1));
};

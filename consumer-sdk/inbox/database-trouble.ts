/**
 * Whether what a handler threw is the database's trouble rather than the message's: locks, deadlocks, time-outs of
 * statements, a lost connection, a full disk, a server that shuts down or became read-only. Tools wrap what drivers
 * throw, so causes count.
 */
import { isLockTimeout } from '../../local-transaction/lock-timeout.ts';

/**
 * PostgreSQL, by class: 08 connection, 40 serialization failure and deadlock, 53 resources, 57 operator intervention
 * (with statement time-outs), 58 system; lock not available; read-only transaction.
 */
const SQL_STATE = /^(?:(?:08|40|53|57|58)[0-9A-Z]{3}|55P03|25006)$/;
const SQLITE = /^SQLITE_(?:BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|NOMEM|PROTOCOL|INTERRUPT)/;
/** Prisma: not reachable, timed out, closed by the server, no connection free, write conflict. */
const TOOLS = new Set<unknown>(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2034']);
/**
 * MariaDB and MySQL: too many connections, shutting down, network, lock time-out, deadlock, record changed, read-only,
 * killed, statement time-outs, gone away, lost.
 */
const ERRNOS = new Set<unknown>([
  1020, 1040, 1053, 1158, 1159, 1160, 1161, 1205, 1213, 1290, 1317, 1836, 1927, 1969, 2006, 2013, 3024, 4031,
]);
/** Errors of the drivers themselves, which have no code of a server. */
const DRIVERS =
  /^(?:Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Connection lost: The server closed|Can't add new command when connection is in closed state)/;
/** Deeper than any tool wraps. */
const DEPTH = 8;

interface DriverError {
  readonly code?: unknown;
  readonly sqlState?: unknown;
  readonly errno?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly driverError?: unknown;
  readonly original?: unknown;
  readonly meta?: unknown;
}

const isOne = ({ code, sqlState, errno, message }: DriverError): boolean =>
  [code, sqlState].some(text => typeof text === 'string' && (SQL_STATE.test(text) || SQLITE.test(text))) ||
  TOOLS.has(code) ||
  ERRNOS.has(errno) ||
  (typeof message === 'string' && DRIVERS.test(message));

export const isDatabaseTrouble = (error: unknown, depth = 0): boolean => {
  if (typeof error !== 'object' || error === null || depth > DEPTH) return false;
  if (isOne(error) || isLockTimeout(error)) return true;
  const { cause, driverError, original, meta } = error as DriverError;
  return [cause, driverError, original, meta].some(inner => isDatabaseTrouble(inner, depth + 1));
};

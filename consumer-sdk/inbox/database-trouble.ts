/**
 * Whether what a handler threw is the database's trouble rather than the message's: locks, deadlocks, time-outs of
 * statements, a lost connection, a full disk, a server that shuts down or became read-only. Tools wrap what drivers
 * throw, so causes count.
 */
import { isLockTimeout } from '../../local-transaction/lock-timeout.ts';

/**
 * PostgreSQL, by class: 08 connection, 40 serialization failure and deadlock, 53 resources, 57 operator intervention
 * (with statement time-outs), 58 system; lock not available; read-only transaction; idle or open for too long.
 */
const SQL_STATE = /^(?:(?:08|40|53|57|58)[0-9A-Z]{3}|55P03|25006|25P03|25P04)$/;
const SQLITE = /^SQLITE_(?:BUSY|LOCKED|FULL|IOERR|CANTOPEN|READONLY|NOMEM|PROTOCOL|INTERRUPT)/;
/** Prisma: not reachable, timed out, closed by the server, no connection free, write conflict; mysql2: lost. */
const TOOLS = new Set<unknown>(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2034', 'PROTOCOL_CONNECTION_LOST']);
/**
 * MariaDB and MySQL: disk or table full, error of the engine, too many connections, not ready (Galera), shutting down,
 * network, lock time-out, deadlock, record or table changed, read-only, killed, statement time-outs, gone away, lost.
 */
const ERRNOS = new Set<unknown>([
  1020, 1021, 1030, 1040, 1047, 1053, 1114, 1158, 1159, 1160, 1161, 1205, 1213, 1290, 1317, 1412, 1836, 1927, 1969,
  2006, 2013, 3024, 4031,
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

/** Of the operating system: the database's connection broke, or any other one that the handler has. */
const NETWORK = new Set<unknown>(['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTCONN']);
/** What stays so however often it is tried: a constraint, or statements after one that failed. */
const CONSTRAINT = /^(?:23[0-9A-Z]{3}|25P02|SQLITE_CONSTRAINT.*)$/;
const CONSTRAINT_ERRNOS = new Set<unknown>([1062, 1451, 1452]);

const isOne = ({ code, sqlState, errno, message }: DriverError): boolean =>
  [code, sqlState].some(text => typeof text === 'string' && (SQL_STATE.test(text) || SQLITE.test(text))) ||
  TOOLS.has(code) ||
  ERRNOS.has(errno) ||
  (typeof message === 'string' && DRIVERS.test(message));

/** Whether it holds for the error, or for any that it wraps. */
const someWithin = (error: unknown, holds: (error: DriverError) => boolean, depth = 0): boolean => {
  if (typeof error !== 'object' || error === null || depth > DEPTH) return false;
  if (holds(error)) return true;
  const { cause, driverError, original, meta } = error as DriverError;
  return [cause, driverError, original, meta].some(inner => someWithin(inner, holds, depth + 1));
};

export const isDatabaseTrouble = (error: unknown): boolean =>
  someWithin(error, inner => isOne(inner) || isLockTimeout(inner));

/** Whether it may be the database's trouble, which only its connection can tell. */
export const isNetworkError = (error: unknown): boolean => someWithin(error, ({ code }) => NETWORK.has(code));

/** Whether the handler's own writes are refused, at COMMIT at the latest. */
export const isConstraint = (error: unknown): boolean =>
  someWithin(
    error,
    ({ code, sqlState, errno }) =>
      [code, sqlState].some(text => typeof text === 'string' && CONSTRAINT.test(text)) || CONSTRAINT_ERRNOS.has(errno),
  );

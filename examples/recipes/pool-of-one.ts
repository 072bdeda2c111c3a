/** The connection that `mysqlFence` hands over, as a pool for tools that want a pool of `mysql2`. */
import type { PoolConnection } from 'mysql2/promise';

type Callback = (error: Error | null, rows?: unknown, fields?: unknown) => void;

/** Every statement of the tool goes to this connection. Streams are left out. */
export const poolOfOne = (connection: PoolConnection) => {
  const lent = {
    query: (statement: string | { sql: string }, values: unknown[], callback: Callback): void => {
      const query = typeof statement === 'string' ? { sql: statement } : statement;
      connection.query({ ...query, values }).then(([rows, fields]) => callback(null, rows, fields), callback);
    },
    /** Not the tool's to give back: that happens when the transaction has ended. */
    release: (): void => {},
  };
  return {
    getConnection: (callback: (error: null, connection: typeof lent) => void): void => callback(null, lent),
    end: (callback?: () => void): void => callback?.(),
  };
};

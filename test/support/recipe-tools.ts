/** The tools of the recipes, as the tests use them: what a user might do besides what a recipe shows. */

// biome-ignore-start lint/suspicious/noExplicitAny: the tools' own types are not installed here.
export interface Tool {
  /** A transaction of the tool's own. */
  begin(db: any, work: (tx: any) => Promise<void>): Promise<unknown>;
  /** One inside of it, which the tool makes of a savepoint. */
  nested(tx: any, work: (inner: any) => Promise<void>): Promise<unknown>;
  run(executor: any, sql: string): Promise<unknown>;
}

const runOnKysely: Tool['run'] = (executor, sql) => {
  const compiled = { sql, parameters: [], query: { kind: 'RawNode' }, queryId: { queryId: sql } };
  return executor.executeQuery(compiled);
};
const runOnPrisma: Tool['run'] = (executor, sql) => executor.$executeRawUnsafe(sql);

export const TOOLS = {
  knex: {
    begin: (db, work) => db.transaction(work),
    nested: (tx, work) => tx.transaction(work),
    run: (executor, sql) => executor.raw(sql),
  },
  kysely: {
    // Controlled, since only such a transaction has savepoints.
    begin: async (db, work) => {
      const trx = await db.startTransaction().execute();
      try {
        await work(trx);
      } catch (error) {
        await trx.rollback().execute();
        throw error;
      }
      await trx.commit().execute();
    },
    nested: async (trx, work) => {
      const inner = await trx.savepoint('inner_one').execute();
      try {
        await work(inner);
      } catch (error) {
        await inner.rollbackToSavepoint('inner_one').execute();
        throw error;
      }
      await inner.releaseSavepoint('inner_one').execute();
    },
    run: runOnKysely,
  },
  drizzle: {
    begin: (db, work) => db.transaction(work),
    nested: (tx, work) => tx.transaction(work),
    run: (executor, sql) => executor.execute(sql),
  },
  typeorm: {
    begin: (db, work) => db.transaction(work),
    nested: (tx, work) => tx.transaction(work),
    run: (executor, sql) => executor.query(sql),
  },
  prisma: {
    begin: (db, work) => db.$transaction(work, { timeout: 60_000 }),
    nested: (tx, work) => tx.$transaction(work),
    run: runOnPrisma,
  },
} satisfies Record<string, Tool>;
// biome-ignore-end lint/suspicious/noExplicitAny: the tools' own types are not installed here.

/** What SQLite says of a table. */
import { isLockTimeout } from './lock-timeout.ts';
import { sql, text } from './statement.ts';
import type { Ask, TableInspection } from './table-inspection.ts';

const columns = (table: string) => sql`
  select c.name as name, c.type as type, c.pk as position, i.coll as collation
  from pragma_table_info(${table}) c
  left join (
    select x.name as name, x.coll as coll from pragma_index_list(${table}) l, pragma_index_xinfo(l.name) x
    where l.origin = 'pk' and x.key = 1
  ) i on i.name = c.name`;

/** By SQLite's own rules: another type would make the numbers 7 of the texts “7” and “007”. */
const isText = (type: string): boolean => /char|clob|text/i.test(type) && !/int/i.test(type);

const comparesBy = (type: string, collation: unknown): string | null => {
  if (!isText(type)) return `type ${type === '' ? 'not given' : type}`;
  return collation === null || String(collation).toUpperCase() === 'BINARY' ? null : `collation ${collation}`;
};

export const inspectSqlite = async (ask: Ask, table: string): Promise<TableInspection> => {
  const [main] = await ask(sql`select file as file from pragma_database_list where name = 'main'`);
  const found = await ask(columns(table));
  const faults: string[] = [];
  if (found.length > 0) {
    try {
      // Needs the right to write, and changes nothing.
      await ask(sql`delete from ${text(table)} where 1 = 0`);
    } catch (error) {
      // Somebody else is writing just now: so one can.
      if (!isLockTimeout(error)) {
        const said = error instanceof Error ? error.message : String(error);
        faults.push(`The database takes no writes (${said}): open it without readonly and query_only.`);
      }
    }
  }
  return {
    place: main?.file ? `the file ${main.file}` : 'this database',
    columns:
      found.length === 0
        ? null
        : found.map(({ name, type, position, collation }) => ({
            name: String(name),
            keyPosition: Number(position) === 0 ? null : Number(position),
            comparesBy: comparesBy(String(type), collation),
          })),
    elsewhere: [],
    faults,
    lossy: null,
  };
};

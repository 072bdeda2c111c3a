/** What PostgreSQL says of a table. */
import { sql } from './statement.ts';
import type { Ask, TableInspection } from './table-inspection.ts';

/** As a column of the name is found by an unqualified statement: along the search path. */
const columns = (table: string) => sql`
  select
    a.attname as name,
    array_position(i.indkey::int2[], a.attnum) as position,
    i.indimmediate as immediate,
    format_type(a.atttypid, null) as type,
    a.atttypid in ('text'::regtype, 'varchar'::regtype) as textual,
    c.collname as collation,
    case
      when c.collprovider <> 'd' then c.collprovider = 'b' or c.collcollate in ('C', 'POSIX')
      else case coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') when 'b' then true when 'c' then d.datcollate in ('C', 'POSIX') else false end
    end as bytewise
  from pg_attribute a
  join pg_database d on d.datname = current_database()
  left join pg_collation c on c.oid = a.attcollation
  left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  where a.attrelid = to_regclass(${table}) and a.attnum > 0 and not a.attisdropped`;

const elsewhere = (table: string) => sql`
  select n.nspname as place from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relname = ${table} and c.relkind in ('r', 'p') and c.oid is distinct from to_regclass(${table})`;

const server = sql`
  select
    current_database() as database,
    current_setting('search_path') as path,
    pg_is_in_recovery() as recovering,
    current_setting('transaction_read_only') = 'on' as restricted,
    current_setting('fsync') = 'on' as durable`;

export const inspectPostgresql = async (ask: Ask, table: string): Promise<TableInspection> => {
  const [state] = await ask(server);
  const found = await ask(columns(table));
  const place = `the database “${state!.database}” (search path ${state!.path})`;
  const faults: string[] = [];
  if (state!.recovering === true) faults.push('The server is a replica or still recovering: connect to the primary.');
  else if (state!.restricted === true) {
    faults.push(`Transactions in ${place} are read-only by default: connect with a role and settings that may write.`);
  }
  if (found.some(({ immediate }) => immediate === false)) {
    faults.push(`The primary key of ${table} must not be deferrable: a second row under a key must fail at once.`);
  }
  return {
    place,
    columns:
      found.length === 0
        ? null
        : found.map(({ name, position, type, textual, collation, bytewise }) => ({
            name: String(name),
            // Subscripts of that old type begin at 0.
            keyPosition: position === null ? null : Number(position) + 1,
            comparesBy: textual !== true ? `type ${type}` : bytewise === true ? null : `collation ${collation}`,
          })),
    elsewhere: found.length > 0 ? [] : (await ask(elsewhere(table))).map(({ place }) => `schema “${place}”`),
    faults,
    lossy: state!.durable === true ? null : 'The server runs with fsync off and may forget what it committed.',
  };
};

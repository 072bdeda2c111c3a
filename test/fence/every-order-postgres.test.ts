/** Promise P5 on PostgreSQL: every order of events of the fence's protocol, made with the SDK's own code. */
import t from 'tap';
import { needsPostgres, postgresDatabase } from '../support/databases.ts';
import { testWorld } from './census.ts';
import { PostgresWorld } from './postgres-world.ts';

t.setTimeout(480_000);

t.test('PostgreSQL', needsPostgres, async t => testWorld(t, await PostgresWorld.open(t, await postgresDatabase(t))));

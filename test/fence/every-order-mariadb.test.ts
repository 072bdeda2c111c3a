/** Promise P5 on MariaDB: every order of events of the fence's protocol, made with the SDK's own code. */
import t from 'tap';
import { mariadbDatabase, needsMariadb } from '../support/databases.ts';
import { testWorld } from './census.ts';
import { MariadbWorld } from './mariadb-world.ts';

t.setTimeout(480_000);

t.test('MariaDB', needsMariadb, async t => testWorld(t, await MariadbWorld.open(t, await mariadbDatabase(t))));

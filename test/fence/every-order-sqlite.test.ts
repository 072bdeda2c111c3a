/** Promise P5 on SQLite: every order of events of the fence's protocol, made with the SDK's own code. */
import t from 'tap';

import { testWorld } from './census.ts';
import { SqliteWorld } from './sqlite-world.ts';

t.setTimeout(480_000);

t.test('SQLite', async t => testWorld(t, await SqliteWorld.open(t)));

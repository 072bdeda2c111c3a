/** Who may do what: every route of the server, in every role. A route without a rule fails here. */
import t from 'tap';
import { clock } from '../../broker/clock.ts';
import { consolePages } from '../../broker/console/console.ts';
import { type Guarded, tryMatrix } from '../../torture/rights/matrix.ts';
import { serverRoutes } from '../../torture/rights/route-list.ts';
import { rulesFor } from '../../torture/rights/rules.ts';
import { startServer } from '../support/http-server.ts';

const KEY = 'an-operator-key-of-at-least-32-characters';

t.test('every route in every role is answered as the rules say', async t => {
  const routes = await serverRoutes();
  t.ok(routes.length > 35, `${routes.length} routes`);
  const pages = consolePages({ clock, isSecure: false });
  const s = await startServer(t, { operatorKey: KEY, memory: { records: () => [] }, pages });
  const broker: Guarded = {
    call: async (method, url, body, key) => {
      const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
      const answer = await s.call(method, url, body, headers);
      return { status: answer.statusCode, text: answer.body };
    },
    operatorKey: KEY,
    now: () => s.time.now,
    passed: async ms => {
      s.time.now += ms;
    },
  };
  const { cells, anomalies } = await tryMatrix(routes, broker, null);
  t.same(anomalies, []);
  t.ok(cells > 300, `${cells} cells`);
  t.same(s.errors, []);
});

t.test('a route that nobody wrote a rule for is found', async t => {
  const { unruled } = rulesFor(['GET /v1/topics', 'HEAD /v1/topics', 'POST /v1/topics', 'GET /v1/secrets'], 'x');
  t.same(unruled, ['POST /v1/topics', 'GET /v1/secrets']);
});

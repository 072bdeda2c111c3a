/** The routes of the broker's HTTP interface, as the server itself registers them. */
import { Metrics } from '../../broker/api/metrics.ts';
import { buildServer } from '../../broker/api/server.ts';
import type { ServerSettings } from '../../broker/api/surroundings.ts';
import { consolePages } from '../../broker/console/console.ts';

/** Every `METHOD /path/:parameter`, in the order of their registration. */
export const serverRoutes = async (): Promise<string[]> => {
  const settings = {
    coordinator: {},
    keys: { key: () => undefined, keys: () => new Map(), hasSentTo: () => false },
    store: {},
    clock: { now: () => 0, monotonic: () => 0 },
    operatorKey: null,
    accepting: () => false,
    pages: consolePages({ clock: { now: () => 0, monotonic: () => 0 }, isSecure: false }),
    metrics: new Metrics(),
    logger: {
      level: 'silent',
      fatal() {},
      error() {},
      warn() {},
      info() {},
      debug() {},
      trace() {},
      child: () => null,
    },
  };
  // Nothing is asked of it but what it would serve.
  const app = buildServer(settings as unknown as ServerSettings);
  const routes: string[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.push(`${one} ${url}`);
  });
  await app.ready();
  await app.close();
  return [...new Set(routes)];
};

/** The operators' pages below `/console`: a client of the REST interface like everybody, served by the broker itself. */
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import type { FastifyPluginAsync } from 'fastify';
import { assetRoutes } from './asset-files.ts';
import { BulkJobs } from './bulk-jobs.ts';
import { EventStreams } from './event-stream.ts';
import { notFound, showFailures } from './failures.ts';
import { historyRoutes } from './history.ts';
import { jobRoutes } from './jobs.ts';
import { keyRoutes } from './keys.ts';
import { loginRoutes } from './login.ts';
import { overviewParts, overviewRoutes, RARE_PARTS } from './overview.ts';
import { PAGE } from './pages.ts';
import { producerGroupRoutes } from './producer-groups.ts';
import { recordRoutes } from './records.ts';
import { Sampler } from './sampler.ts';
import { Sessions } from './sessions.ts';
import { topicRoutes } from './topics.ts';
import { transactionRoutes } from './transaction.ts';
import { transactionListRoutes } from './transaction-list.ts';
import { guardPages } from './visit.ts';
import { waitingRoutes } from './waiting.ts';

/** Of a form: a reason, and the ids that somebody chose. */
const MAX_FORM_BYTES = 128 * 1024;

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  // With less, browsers hide from us that it was our own page which sent a form.
  'referrer-policy': 'same-origin',
};

export interface ConsoleSettings {
  readonly clock: { now(): number; monotonic(): number };
  /** The broker itself speaks TLS. */
  readonly isSecure: boolean;
}

export const consolePages =
  ({ clock, isSecure }: ConsoleSettings): FastifyPluginAsync =>
  async scope => {
    const sessions = new Sessions(clock.monotonic);
    const streams = new EventStreams();
    const jobs = new BulkJobs(clock.now);
    const onError = (error: unknown): void => scope.log.error({ err: error }, 'a live part of the console failed');
    const inject = scope.inject.bind(scope);
    const sampler = new Sampler({ inject, monotonic: clock.monotonic, draw: overviewParts, rare: RARE_PARTS, onError });
    scope.addHook('preClose', async () => {
      sampler.stop();
      jobs.stopAll();
      streams.stop();
    });
    scope.addHook('onRequest', async (_request, reply) => void reply.headers(HEADERS));
    await scope.register(cookie);
    scope.removeAllContentTypeParsers();
    await scope.register(formbody, { bodyLimit: MAX_FORM_BYTES });
    showFailures(scope, sessions);
    await scope.register(assetRoutes);
    await scope.register(loginRoutes, { sessions, isSecure, onLogout: visitor => jobs.forget(visitor) });
    await scope.register(async pages => {
      guardPages(pages, sessions);
      await pages.register(overviewRoutes, { sampler, streams });
      await pages.register(transactionListRoutes);
      await pages.register(transactionRoutes);
      await pages.register(waitingRoutes);
      await pages.register(jobRoutes, { jobs, streams, clock, onError });
      await pages.register(producerGroupRoutes);
      await pages.register(topicRoutes);
      await pages.register(historyRoutes);
      await pages.register(keyRoutes);
      await pages.register(recordRoutes);
      pages.get('/console/*', PAGE, async (request, reply) => notFound(request, reply));
    });
  };

/** The HTTP server: what it is built from, in the order in which a request meets it. */
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { actRoutes } from './acts.ts';
import { answerHeaders } from './answer-headers.ts';
import { attentionRoutes } from './attention.ts';
import { backupRoutes } from './backup.ts';
import { batchRoutes } from './batch.ts';
import { onClientError, refuseOddRequests } from './connection-errors.ts';
import { errorsPageRoute } from './errors-page.ts';
import { faultOf } from './failures.ts';
import { healthRoutes } from './health.ts';
import { jsonBody, refuseUnread } from './json-body.ts';
import { keyRoutes } from './keys.ts';
import { memoryRecordRoutes } from './memory-records.ts';
import { messageRoutes } from './messages.ts';
import { documentOptions, openApiRoutes } from './openapi.ts';
import { ApiError, pathOf, sendProblem } from './problem.ts';
import { producerGroupRoutes } from './producer-groups.ts';
import { parseQueryString } from './query-string.ts';
import { guardRoutes } from './route-guard.ts';
import { dropUnfinishedHandshakes, secureOptions } from './secure-listener.ts';
import { statusRoutes } from './status.ts';
import { DEFAULT_LIMITS, type ServerSettings } from './surroundings.ts';
import { topicRoutes } from './topics.ts';
import { transactionReadingRoutes } from './transaction-reading.ts';
import { transactionRoutes } from './transactions.ts';
import { VALIDATOR_OPTIONS, validationFault } from './validation.ts';

/** Request line and headers together; also the longest path parameter. */
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 10_000;
/** Longest time for the headers, and for a whole request, to arrive. */
const HEADERS_TIMEOUT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** After so many request times a connection is cut on which nothing moves: an answer that nobody reads takes memory. */
const STALLED_TIMES = 3;
/** How often the times are looked after. */
const TIMEOUT_CHECK_MS = 1_000;
/** Longer than common load balancers keep a connection, so that they are the ones who close it. */
const KEEP_ALIVE_MS = 72_000;

const ROUTES = [
  transactionRoutes,
  transactionReadingRoutes,
  batchRoutes,
  producerGroupRoutes,
  messageRoutes,
  topicRoutes,
  keyRoutes,
  actRoutes,
  attentionRoutes,
  backupRoutes,
  statusRoutes,
  memoryRecordRoutes,
  healthRoutes,
];

/** Not listening yet. `close()` stops it: requests in hand are answered, idle connections are closed. */
export const buildServer = (settings: ServerSettings): FastifyInstance => {
  const { logger, limits = DEFAULT_LIMITS, requestTimeoutMs = REQUEST_TIMEOUT_MS, tls = null } = settings;
  const headersTimeout = Math.min(HEADERS_TIMEOUT_MS, requestTimeoutMs);
  const listener = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout,
    connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, requestTimeoutMs),
    // Refused by the gate, as a problem.
    requireHostHeader: false,
  };
  const app = Fastify({
    loggerInstance: logger,
    // Requests are counted, not logged; one logger for all of them saves a child for each.
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: parent => parent,
    bodyLimit: limits.maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: STALLED_TIMES * requestTimeoutMs,
    return503OnClosing: false,
    trustProxy: false,
    routerOptions: { maxParamLength: MAX_HEADER_BYTES, querystringParser: parseQueryString },
    // The types know servers of one kind only; nothing here depends on it.
    ...((tls === null
      ? { http: listener }
      : { https: { ...listener, ...secureOptions(tls, headersTimeout) } }) as object),
    ajv: { customOptions: VALIDATOR_OPTIONS },
    schemaErrorFormatter: (errors, part) => new ApiError(validationFault(errors, part)),
    clientErrorHandler: onClientError,
    frameworkErrors: (error, request, reply) => {
      void sendProblem(request, reply.headers(answerHeaders(tls !== null)), faultOf(error, limits.maxBodyBytes));
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  refuseOddRequests(app.server);
  if (tls !== null) dropUnfinishedHandshakes(app);

  app.setErrorHandler((error, request, reply) => {
    const fault = faultOf(error, limits.maxBodyBytes);
    if (fault.code === 'INTERNAL') {
      logger.error({ err: error, method: request.method, path: pathOf(request.url) }, 'a request failed');
    }
    return sendProblem(request, reply, fault);
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, jsonBody(settings.coordinator));
  app.addHook('preValidation', refuseUnread);
  guardRoutes(app, settings);

  void app.register(async scope => {
    // First: it sees the routes that come after it.
    await scope.register(swagger, documentOptions());
    for (const routes of ROUTES) await scope.register(routes, settings);
    await scope.register(errorsPageRoute);
    await scope.register(openApiRoutes);
  });
  if (settings.pages !== undefined) void app.register(settings.pages);
  return app;
};

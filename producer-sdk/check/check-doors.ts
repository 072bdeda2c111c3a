/** The same answer through the doors of different servers: node's http, Express, Fastify, and Request → Response. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CheckCall, CheckReply } from './check-call.ts';

/** No check-back is larger. */
const MAX_BYTES = 1024 * 1024;

/** What is used of Fastify, to register the handler as a plugin of it. */
export interface FastifyLike {
  addContentTypeParser(
    type: string | string[],
    options: { parseAs: 'buffer'; bodyLimit?: number },
    parser: (request: unknown, body: Buffer, done: (error: Error | null, body?: unknown) => void) => void,
  ): unknown;
  removeAllContentTypeParsers(): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's own request and reply types are its user's business.
  post(url: string, handler: (request: any, reply: any) => Promise<unknown>): unknown;
}

/** Requests as Express and others hand them on: somebody may have read the body. */
type NodeRequest = IncomingMessage & { readonly body?: unknown; readonly rawBody?: unknown };

/** Answers the broker's check-backs, whatever the server; the calls tell themselves apart. */
export interface CheckHandler {
  /** `export const POST = producer.checkHandler()`: Next.js, Hono, Deno, Bun and whatever speaks the fetch API. */
  (request: Request, context?: unknown): Promise<Response>;
  /** `http.createServer(handler)`, `app.post('/escrow/check', handler)`: put it before body parsers. */
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): Promise<void>;
  /** `fastify.register(handler.fastify, { url: '/escrow/check' })`; the url is that by default. */
  fastify(fastify: FastifyLike, options: { url?: string }): Promise<void>;
}

type Answer = (call: CheckCall) => Promise<CheckReply>;

const TOO_LARGE: CheckReply = { status: 413, body: { error: `A check-back has at most ${MAX_BYTES} bytes.` } };

/** Null: more than any check-back has. */
const bytesOf = async (chunks: AsyncIterable<Uint8Array>): Promise<Buffer | null> => {
  const list: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > MAX_BYTES) return null;
    list.push(chunk);
  }
  return Buffer.concat(list);
};

/** What is left of a body: its bytes, wherever they were kept, or what a parser made of them. */
const bodyOf = async (request: NodeRequest): Promise<CheckCall['body'] | null> => {
  for (const kept of [request.rawBody, request.body]) if (kept instanceof Uint8Array) return kept;
  if (typeof request.rawBody === 'string') return Buffer.from(request.rawBody);
  if (request.body !== undefined && request.readableEnded) return { parsed: request.body };
  return bytesOf(request);
};

const throughNode = async (answer: Answer, request: NodeRequest, response: ServerResponse): Promise<void> => {
  const body = await bodyOf(request);
  const reply =
    body === null
      ? TOO_LARGE
      : await answer({
          method: request.method ?? '',
          headers: request.headers,
          body,
          localAddress: request.socket.localAddress ?? null,
        });
  response.statusCode = reply.status;
  response.setHeader('content-type', 'application/json');
  // What was not read of a body that is too large must not be taken for the next request.
  if (body === null) response.setHeader('connection', 'close');
  response.end(JSON.stringify(reply.body));
};

const throughFetch = async (answer: Answer, request: Request): Promise<Response> => {
  const body = request.body === null ? Buffer.alloc(0) : await bytesOf(request.body as AsyncIterable<Uint8Array>);
  const reply =
    body === null
      ? TOO_LARGE
      : await answer({
          method: request.method,
          headers: Object.fromEntries(request.headers),
          body,
          // Where it is served from is not told; the name it was called by is better than nothing.
          localAddress: new URL(request.url).hostname,
        });
  return Response.json(reply.body, { status: reply.status });
};

const isFetchRequest = (request: object): request is Request =>
  typeof (request as { arrayBuffer?: unknown }).arrayBuffer === 'function' && !('socket' in request);

export const doors = (answer: Answer): CheckHandler => {
  const handler = (
    request: Request | IncomingMessage,
    response?: unknown,
    next?: (error?: unknown) => void,
  ): unknown => {
    if (isFetchRequest(request)) return throughFetch(answer, request);
    const done = throughNode(answer, request, response as ServerResponse);
    // A request that was cut off has nobody left to be answered; a framework is told, so that it can log it.
    return done.catch(error => {
      if (next) next(error);
      else (response as ServerResponse).destroy();
    });
  };
  const fastify: CheckHandler['fastify'] = async (instance, { url = '/escrow/check' }) => {
    // In this plugin only: Fastify keeps what a plugin adds to itself.
    instance.removeAllContentTypeParsers();
    instance.addContentTypeParser('application/json', { parseAs: 'buffer', bodyLimit: MAX_BYTES }, (_, body, done) =>
      done(null, body),
    );
    instance.post(url, async (request, reply) => {
      const { raw, body } = request as { raw: IncomingMessage; body: Buffer | undefined };
      const { status, body: said } = await answer({
        method: 'POST',
        headers: raw.headers,
        body: body ?? Buffer.alloc(0),
        localAddress: raw.socket.localAddress ?? null,
      });
      return reply.code(status).send(said);
    });
  };
  return Object.assign(handler, { fastify }) as CheckHandler;
};

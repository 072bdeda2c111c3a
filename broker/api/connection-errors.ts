/** Answers to what is not even a request: malformed HTTP, headers too large, a request that never ends. */
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { answerHeaders } from './answer-headers.ts';
import { type Fault, PROBLEM_TYPE, problemOf } from './problem.ts';

/** How long a connection may go on sending after its refusal, so that the refusal is not lost by a reset. */
const LINGER_MS = 1_000;

const FAULTS: Record<string, Fault> = {
  HPE_HEADER_OVERFLOW: { code: 'HEADERS_TOO_LARGE', detail: 'The request line and headers are too large together.' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'REQUEST_TIMEOUT', detail: 'The request did not arrive in time.' },
};

/** As lines of a response that is written by hand. */
const HEADER_LINES = Object.entries(answerHeaders(false))
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join('');

const MALFORMED: Fault = { code: 'VALIDATION_FAILED', detail: 'This is not HTTP/1.1 as RFC 9112 describes it.' };

/** Writes a whole response onto the connection and ends it. */
const refuse = (socket: Socket, fault: Fault, moreHeaders = ''): void => {
  const problem = problemOf(fault);
  const body = JSON.stringify(problem);
  const head =
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\n${moreHeaders}${HEADER_LINES}` +
    `Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  socket.end(head + body);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
};

/** The response whose turn it is on the connection, if any. */
type BusySocket = Socket & { readonly _httpMessage?: ServerResponse | null };

/** Connections that end once what was asked before is answered. */
const ending = new WeakSet<Socket>();

/**
 * A fault lies behind the requests that came before it. They may have been carried out, so they get their own answers:
 * one that took the place of theirs would say that nothing happened.
 */
const refuseInTurn = (socket: BusySocket, fault: Fault): void => {
  const current = socket._httpMessage;
  if (socket.writableEnded) return;
  if (!socket.writable) socket.destroy();
  else if (!current) refuse(socket, fault);
  else if (current.req.complete) current.once('close', () => refuseInTurn(socket, fault));
  else if (current.headersSent) socket.destroy();
  else refuse(socket, fault);
};

/** For `clientErrorHandler`. */
export const onClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  const { code = '' } = error;
  if (socket.writableEnded || ending.has(socket)) return;
  // Anything else is a connection that broke or a handshake that failed: nobody there can read an answer.
  if (!/^(HPE_|ERR_HTTP_)/.test(code)) {
    socket.destroy();
    return;
  }
  ending.add(socket);
  refuseInTurn(socket, FAULTS[code] ?? MALFORMED);
};

/** Two kinds of requests that Node keeps away from the routes. */
export const refuseOddRequests = (server: Server): void => {
  server.on('connect', (_request: IncomingMessage, socket: Socket) => {
    refuse(socket, { code: 'METHOD_NOT_ALLOWED', detail: 'This is no proxy.' }, 'Allow: GET, HEAD, POST, PUT\r\n');
  });
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const problem = problemOf({ code: 'VALIDATION_FAILED', detail: 'Expect may only be 100-continue.' });
    const body = JSON.stringify(problem);
    const length = Buffer.byteLength(body);
    response.writeHead(problem.status, {
      ...answerHeaders(false),
      connection: 'close',
      'content-type': PROBLEM_TYPE,
      'content-length': length,
    });
    response.end(body);
  });
};

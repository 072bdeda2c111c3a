/** Answers to what is not even a request: malformed HTTP, headers too large, a request that never ends. */
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type Fault, PROBLEM_TYPE, problemOf } from './problem.ts';

/** How long a connection may go on sending after its refusal, so that the refusal is not lost by a reset. */
const LINGER_MS = 1_000;

const FAULTS: Record<string, Fault> = {
  HPE_HEADER_OVERFLOW: { code: 'HEADERS_TOO_LARGE', detail: 'The request line and headers are too large together.' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'REQUEST_TIMEOUT', detail: 'The request did not arrive in time.' },
};

const MALFORMED: Fault = { code: 'VALIDATION_FAILED', detail: 'This is not HTTP/1.1 as RFC 9112 describes it.' };

/** Writes a whole response onto the connection and ends it. */
const refuse = (socket: Socket, fault: Fault, moreHeaders = ''): void => {
  const problem = problemOf(fault);
  const body = JSON.stringify(problem);
  const head =
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\n${moreHeaders}` +
    `Content-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  socket.end(head + body);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
};

/** The response that Node is writing onto the connection, if any. */
type BusySocket = Socket & { readonly _httpMessage?: { readonly headersSent: boolean } | null };

/** For `clientErrorHandler`. */
export const onClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (socket.writableEnded) return;
  const isAnswering = (socket as BusySocket)._httpMessage?.headersSent === true;
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering) {
    socket.destroy();
    return;
  }
  refuse(socket, FAULTS[error.code ?? ''] ?? MALFORMED);
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
      connection: 'close',
      'content-type': PROBLEM_TYPE,
      'content-length': length,
    });
    response.end(body);
  });
};

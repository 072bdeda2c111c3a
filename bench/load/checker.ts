/** The producers' check handler in a process of its own: commits whatever it is asked about, or never answers. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CheckAnswer, CheckRequest } from '../../broker/protocol/wire.ts';
import type { CheckerReady, CheckerReport } from './messages.ts';
import { sharedNow } from './moment.ts';

let firstAt = 0;
let calls = 0;

const bodyOf = async (request: IncomingMessage): Promise<CheckRequest> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
};

const server = createServer(async (request, response) => {
  calls++;
  firstAt ||= sharedNow();
  const { group, checks } = await bodyOf(request);
  if (request.url === '/hang') return;
  const resolutions = checks.map(({ transactionId }) => ({ transactionId, resolution: 'commit' as const }));
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ group, resolutions } satisfies CheckAnswer));
});
server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.send!({ event: 'ready', url } satisfies CheckerReady);
});
process.on('message', () => process.send!({ event: 'checked', firstAt, calls } satisfies CheckerReport));
process.on('disconnect', () => process.exit(0));

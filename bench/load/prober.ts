/** Asks `/livez` at a fixed pace, whether the last answer has come or not, until it is told to report. */
import { Agent, get } from 'node:http';
import { sharedNow } from './moment.ts';

export interface ProberReport {
  readonly event: 'probed';
  readonly failed: number;
  /** Milliseconds from each request to the end of its answer, or until now where there was none yet. */
  readonly answerMs: Float64Array;
}

const [url = ''] = process.argv.slice(2);
const EVERY_MS = 10;

const agent = new Agent({ keepAlive: true });
const answerMs: number[] = [];
const waitingSince = new Set<{ readonly sentAt: number }>();
let failed = 0;
setInterval(() => {
  const request = { sentAt: sharedNow() };
  waitingSince.add(request);
  get(`${url}/livez`, { agent }, response => {
    response.resume().on('end', () => {
      waitingSince.delete(request);
      answerMs.push(sharedNow() - request.sentAt);
      if (response.statusCode !== 200) failed++;
    });
  }).on('error', () => {
    waitingSince.delete(request);
    failed++;
  });
}, EVERY_MS);
process.on('message', () => {
  const now = sharedNow();
  const all = [...answerMs, ...[...waitingSince].map(({ sentAt }) => now - sentAt)];
  process.send!({ event: 'probed', failed, answerMs: Float64Array.from(all) } satisfies ProberReport);
});
process.on('disconnect', () => process.exit(0));
process.send!({ event: 'ready' });

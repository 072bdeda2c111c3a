/** Server-sent events to browsers: so many at once, and none outlives the broker. */
import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { refusal } from './rest.ts';

/** Of all visitors together. */
const MAX_STREAMS = 100;
/** A page then asks anew, so that one whose session is over learns it. */
const LONGEST_MS = 10 * 60_000;
/** Who has not read so much is not reading. */
const MAX_UNREAD_BYTES = 256 * 1024;

export interface EventStream {
  /** Ignored once it has ended. `data` may have several lines. */
  send(event: string, data: string): void;
  /** A line that browsers ignore: keeps what lies between from cutting the connection. */
  touch(): void;
  /** Tells the page not to ask again. */
  finish(): void;
  /** Ends it; the page asks again later. */
  end(): void;
}

/** The event after which a page closes its connection: `sse-close` on the pages. */
export const LAST_EVENT = 'over';

export const EVENT_STREAM = 'text/event-stream; charset=utf-8';
/** A whole stream that says nothing but that there is no other one. */
export const NO_MORE = `event: ${LAST_EVENT}\ndata: \n\n`;

const FULL = refusal(
  'OVERLOADED',
  `${MAX_STREAMS} pages of this console are live already. This one shows what was the case when it was loaded.`,
);

export class EventStreams {
  readonly #open = new Set<EventStream>();
  #isStopped = false;

  /** Answers the request. Throws a Refusal where there are too many. `onEnd`: once, whoever ended it. */
  open(reply: FastifyReply, onEnd: () => void): EventStream {
    if (this.#isStopped || this.#open.size >= MAX_STREAMS) throw FULL;
    const body = new PassThrough({ highWaterMark: MAX_UNREAD_BYTES });
    const write = (text: string): void => {
      if (!body.writable) return;
      if (body.writableLength + body.readableLength > MAX_UNREAD_BYTES) body.destroy();
      else body.write(text);
    };
    const stream: EventStream = {
      send: (event, data) => write(`event: ${event}\n${data.replace(/\r\n?/g, '\n').replace(/^/gm, 'data: ')}\n\n`),
      touch: () => write(':\n\n'),
      finish: () => {
        stream.send(LAST_EVENT, '');
        body.end();
      },
      end: () => void body.end(),
    };
    this.#open.add(stream);
    const timer = setTimeout(() => stream.end(), LONGEST_MS);
    const over = (): void => {
      clearTimeout(timer);
      if (this.#open.delete(stream)) onEnd();
    };
    body.once('close', over);
    reply.raw.once('close', () => {
      body.destroy();
      over();
    });
    void reply.header('x-accel-buffering', 'no').type(EVENT_STREAM).send(body);
    return stream;
  }

  stop(): void {
    this.#isStopped = true;
    for (const stream of this.#open) stream.end();
  }
}

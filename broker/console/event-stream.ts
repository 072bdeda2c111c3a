/** Server-sent events to browsers: so many at once, and none outlives the broker. */
import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { type Refusal, refusal } from './rest.ts';

/** Of all visitors together. */
const MAX_STREAMS = 100;
/** Of those with the same key: no one of them takes the place of all. */
const MAX_OF_ONE_KEY = 25;
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

const full = (live: string): Refusal =>
  refusal('OVERLOADED', `${live} are live already. This one shows what was the case when it was loaded.`);

const FULL = full(`${MAX_STREAMS} pages of this console`);
const FULL_OF_KEY = full(`${MAX_OF_ONE_KEY} pages with this key`);

export class EventStreams {
  /** With the key of whoever looks. */
  readonly #open = new Map<EventStream, string | null>();
  #isStopped = false;

  /**
   * Answers the request. Throws a Refusal where there are too many. `key` null: the broker runs without keys. `onEnd`: once,
   * whoever ended it.
   */
  open(reply: FastifyReply, key: string | null, onEnd: () => void): EventStream {
    if (this.#isStopped || this.#open.size >= MAX_STREAMS) throw FULL;
    if (key !== null && [...this.#open.values()].filter(other => other === key).length >= MAX_OF_ONE_KEY)
      throw FULL_OF_KEY;
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
    this.#open.set(stream, key);
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
    for (const stream of this.#open.keys()) stream.end();
  }
}

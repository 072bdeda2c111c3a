/** One HTTP request and its answer, on connections that stay open. Nothing here knows what is asked. */
import http from 'node:http';
import https from 'node:https';
import type { ClientSettings } from './settings.ts';

/** What no answer of a broker reaches. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export interface Answer {
  readonly status: number;
  /** The header, in milliseconds; null: there was none. */
  readonly retryAfterMs: number | null;
  readonly text: string;
}

export interface Question {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** From `/v1` on. */
  readonly path: string;
  readonly body: string | null;
  /** Length of the body in UTF-8. */
  readonly bytes: number;
}

type Told = (error: Error | null, answer: Answer | null) => void;

export interface Exchange {
  /** Gives the connection up; the listener is told the error. */
  abandon(error: Error): void;
}

const retryAfterOf = (value: string | undefined): number | null =>
  value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) * 1_000 : null;

export class Connections {
  readonly #agent: http.Agent;
  readonly #request: typeof http.request;
  readonly #shared: http.RequestOptions;
  readonly #path: string;
  readonly #headers: Record<string, string>;

  /** `extra`: connections beyond those of the batches. */
  constructor({ url, key, maxInFlight }: ClientSettings, extra: number) {
    const { Agent, request } = url.protocol === 'https:' ? https : http;
    this.#agent = new Agent({ keepAlive: true, maxSockets: maxInFlight + extra, scheduling: 'lifo' });
    this.#request = request;
    this.#path = url.pathname.replace(/\/$/, '');
    const hostname = url.hostname.replace(/^\[|\]$/g, '');
    this.#shared = { agent: this.#agent, hostname, ...(url.port === '' ? {} : { port: url.port }) };
    this.#headers = {
      host: url.host,
      accept: 'application/json',
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    };
  }

  /** `told` is called exactly once, never before this returns. */
  ask({ method, path, body, bytes }: Question, told: Told): Exchange {
    let isTold = false;
    const tell: Told = (error, answer) => {
      if (isTold) return;
      isTold = true;
      told(error, answer);
    };
    const headers =
      body === null
        ? this.#headers
        : { ...this.#headers, 'content-type': 'application/json', 'content-length': String(bytes) };
    const request = this.#request({ ...this.#shared, method, path: this.#path + path, headers }, response => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > MAX_ANSWER_BYTES) request.destroy(new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`));
      });
      response.on('error', error => tell(error, null));
      response.on('end', () => {
        const text = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).toString('utf8');
        const retryAfterMs = retryAfterOf(response.headers['retry-after']);
        tell(null, { status: response.statusCode!, retryAfterMs, text });
      });
    });
    request.on('error', error => tell(error, null));
    request.on('close', () => tell(new Error('the connection was closed before the answer'), null));
    request.end(body);
    return { abandon: error => void request.destroy(error) };
  }

  /** Ends every connection, whatever is under way on it. */
  destroy(): void {
    this.#agent.destroy();
  }
}

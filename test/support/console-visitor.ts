/** Somebody with a browser and no scripts: keeps a cookie, follows links and sends forms of the console, over HTTP. */
import type { AddressInfo } from 'node:net';
import { clock } from '../../broker/clock.ts';
import { consolePages } from '../../broker/console/console.ts';
import { startServer, type TestServer } from './http-server.ts';
import type { Scope } from './store.ts';

export interface Page {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Where it leads; null: nowhere. */
  readonly location: string | null;
}

const unescaped = (text: string): string =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');

/** What a reader of the page sees, without its tags; white space as one. */
export const readable = ({ text }: Page): string =>
  unescaped(text.replace(/<head>.*<\/head>/s, '').replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ');

export class ConsoleVisitor {
  readonly url: string;
  cookie: string | null = null;

  constructor(url: string) {
    this.url = url;
  }

  async send(method: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<Page> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(this.cookie === null ? {} : { cookie: this.cookie }),
        ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded', origin: this.url }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair] = cookie.split(';');
      this.cookie = pair!.endsWith('=') ? null : pair!;
    }
    const { status } = response;
    return {
      status,
      headers: response.headers,
      text: await response.text(),
      location: response.headers.get('location'),
    };
  }

  get(path: string, headers?: Record<string, string>): Promise<Page> {
    return this.send('GET', path, undefined, headers);
  }

  /** The token in the forms of a page. */
  async formToken(page = '/console/transactions'): Promise<string> {
    const { text } = await this.get(page);
    return /name="formToken" value="([^"]*)"/.exec(text)?.[1] ?? '';
  }

  /** Sends the form that stands on the page `on`, which is where its token is from. */
  async submit(path: string, fields: Record<string, string>, on?: string): Promise<Page> {
    const formToken = await this.formToken(on);
    return this.send('POST', path, new URLSearchParams({ formToken, ...fields }).toString());
  }

  login(key: string): Promise<Page> {
    return this.submit('/console/login', { key }, '/console/login');
  }
}

export interface ConsoleServer extends TestServer {
  readonly url: string;
  visitor(): ConsoleVisitor;
}

/** The test server with the console, listening. */
export const startConsole = async (t: Scope, given: Parameters<typeof startServer>[1] = {}): Promise<ConsoleServer> => {
  const pages = consolePages({ clock, isSecure: false });
  const s = await startServer(
    t,
    typeof given === 'function' ? parts => ({ pages, ...given(parts) }) : { pages, ...given },
  );
  await s.app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(s.app.server.address() as AddressInfo).port}`;
  return { ...s, url, visitor: () => new ConsoleVisitor(url) };
};

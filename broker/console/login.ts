/** In by a key, out by a button. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { html } from './html.ts';
import { notice, page } from './layout.ts';
import { restFor } from './rest.ts';
import type { Role, Sessions, Visitor } from './sessions.ts';
import { COOKIE, COOKIE_PATH, fieldsOf, isOpen, judgeForm, loginFormToken } from './visit.ts';

const KEY_CHARACTERS = 512;
const OWN_PATH = /^\/console(?:[/?][\x21-\x7e]*)?$/;

const WRONG = 'No such key, or it is good no longer.';
const PRODUCER = 'This is a producer’s key, which opens no console. Use one of a viewer or an operator.';

export interface LoginSettings {
  readonly sessions: Sessions;
  /** Somebody has left. */
  readonly onLogout: (visitor: Visitor) => void;
  /** The broker itself speaks TLS. */
  readonly isSecure: boolean;
}

const loginPage = (next: string, fault: string | null) =>
  page(
    'Log in',
    { visitor: null, pulse: null, here: '/console/login' },
    html`<div class="login">
<h1>Log in</h1>
${fault && notice('bad', fault)}
<form method="post" action="/console/login">
<input type="hidden" name="formToken" value="${loginFormToken()}">
<input type="hidden" name="next" value="${next}">
<label for="key">Key of a viewer or an operator</label>
<input id="key" name="key" type="password" required maxlength="${KEY_CHARACTERS}" autocomplete="current-password" spellcheck="false" autofocus>
<button class="act main">Log in</button>
</form>
<p class="quiet">An operator makes keys with <code>escrowmq keys create --role viewer</code>. A session ends after eight idle hours, or when its key is revoked.</p>
</div>`,
  );

/** The first characters of a key name it everywhere; the operator’s key from outside has no name. */
const nameOf = (key: string): string => /^emq_[0-9a-f]{12}(?=_)/.exec(key)?.[0] ?? 'key from outside';

export const loginRoutes: FastifyPluginAsync<LoginSettings> = async (app, { sessions, isSecure, onLogout }) => {
  const show = (reply: FastifyReply, status: number, next: string, fault: string | null): FastifyReply =>
    reply.code(status).type('text/html; charset=utf-8').send(loginPage(next, fault).toString());

  const cookie = (request: FastifyRequest) => ({
    path: COOKIE_PATH,
    httpOnly: true,
    sameSite: 'strict' as const,
    // A browser that came over TLS says so itself, also behind a proxy that ends it.
    secure: isSecure || request.headers.origin?.startsWith('https:') === true,
  });

  /** What the key is good for; a sentence where it is good for nothing here. */
  const roleOf = async (key: string): Promise<Role | { status: number; fault: string }> => {
    const rest = restFor(app.inject.bind(app), key);
    const { status } = await rest.call('GET', '/v1/status');
    if (status === 401) return { status, fault: WRONG };
    if (status === 403) return { status, fault: PRODUCER };
    if (status >= 400)
      return { status, fault: 'The broker is starting, stopping or overloaded. Try again in a moment.' };
    return (await rest.call('GET', '/v1/keys')).status === 200 ? 'operator' : 'viewer';
  };

  app.get(
    '/console/login',
    { config: { right: 'public' }, schema: { querystring: { type: 'object' } } },
    async (request, reply) => {
      if (await isOpen(restFor(app.inject.bind(app), null))) return reply.redirect('/console', 303);
      const { next = '' } = fieldsOf(request.query);
      return show(reply, 200, next, null);
    },
  );

  app.post(
    '/console/login',
    { config: { right: 'public' }, schema: { body: { type: 'object' } } },
    async (request, reply) => {
      judgeForm(request, loginFormToken());
      const { key = '', next = '' } = fieldsOf(request.body);
      const text = key.trim();
      // What no header can carry is no key.
      const role = /^[\x21-\x7e]{1,512}$/.test(text) ? await roleOf(text) : { status: 401, fault: WRONG };
      if (typeof role !== 'string') return show(reply, role.status, next, role.fault);
      void reply.setCookie(COOKIE, sessions.begin(text, role, nameOf(text)), cookie(request));
      return reply.redirect(OWN_PATH.test(next) ? next : '/console', 303);
    },
  );

  app.post(
    '/console/logout',
    { config: { right: 'public' }, schema: { body: { type: 'object' } } },
    async (request, reply) => {
      const token = request.cookies[COOKIE];
      const visitor = sessions.find(token);
      judgeForm(request, visitor?.formToken ?? loginFormToken());
      sessions.end(token);
      if (visitor !== null) onLogout(visitor);
      return reply.clearCookie(COOKIE, cookie(request)).redirect('/console/login', 303);
    },
  );
};

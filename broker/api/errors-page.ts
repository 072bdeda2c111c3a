/** `/errors`: where the `type` of every problem leads. Made from the catalogue, once. */
import type { FastifyPluginAsync } from 'fastify';
import { ERRORS, errorAnchor } from '../protocol/errors.ts';

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const errorsPage = (): string => {
  const entries = Object.entries(ERRORS).map(
    ([code, { status, title, retryable, advice }]) =>
      `<h2 id="${errorAnchor(code)}"><code>${code}</code></h2>\n` +
      `<p>${status} · ${escapeHtml(title)}${retryable ? ' · may be repeated' : ''}</p>\n<p>${escapeHtml(advice)}</p>`,
  );
  return (
    '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n' +
    '<meta name="viewport" content="width=device-width">\n<title>escrowmq: errors</title>\n' +
    `<h1>Errors</h1>\n${entries.join('\n')}\n</html>\n`
  );
};

export const errorsPageRoute: FastifyPluginAsync = async app => {
  const page = errorsPage();
  app.get('/errors', { config: { right: 'reader' }, schema: { hide: true } }, async (_request, reply) =>
    reply.type('text/html; charset=utf-8').send(page),
  );
};

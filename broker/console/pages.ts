/** How a page is answered: with what every page shows of the broker, and never from a cache. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StatusBody } from '../protocol/wire.ts';
import type { Fragment, Html } from './html.ts';
import { page } from './layout.ts';

const pathOf = (url: string): string => url.split('?', 1)[0]!;

export const sendHtml = (reply: FastifyReply, content: Html): FastifyReply =>
  reply.type('text/html; charset=utf-8').send(content.toString());

export const statusOf = (request: FastifyRequest): Promise<StatusBody> =>
  request.visit.rest.get<StatusBody>('/v1/status');

/** `status` where the page has asked for it already; null: the page goes without. */
export const sendPage = async (
  request: FastifyRequest,
  reply: FastifyReply,
  title: string,
  main: Fragment,
  status?: StatusBody | null,
): Promise<FastifyReply> => {
  const pulse = status === undefined ? await statusOf(request) : status;
  const { visitor } = request.visit;
  return sendHtml(reply, page(title, { visitor, pulse, here: pathOf(request.url) }, main));
};

/** Of every page: it asks for nothing but its own name, and takes whatever is in its address. */
export const PAGE = { config: { right: 'public' }, schema: { querystring: { type: 'object' } } } as const;
/** Of every form that changes something. */
export const FORM = {
  config: { right: 'public' },
  schema: { querystring: { type: 'object' }, body: { type: 'object' } },
} as const;

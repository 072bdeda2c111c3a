/** What browsers load beside the pages: each file under a name that says what is in it, so that it never grows old. */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyPluginAsync } from 'fastify';

const FOLDER = join(import.meta.dirname, 'static');
const HASH_CHARACTERS = 12;
const A_YEAR = 'public, max-age=31536000, immutable';

const TYPES: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
};

const NAMES = ['console.css', 'console.js', 'htmx.min.js', 'sse.min.js', 'mark.svg'] as const;
export type AssetName = (typeof NAMES)[number];

interface Asset {
  readonly name: string;
  readonly type: string;
  readonly content: Buffer;
}

const load = (name: AssetName): Asset => {
  const content = readFileSync(join(FOLDER, name));
  const dot = name.lastIndexOf('.');
  const digest = hash('sha256', content, 'hex').slice(0, HASH_CHARACTERS);
  const ending = name.slice(dot + 1);
  return { name: `${name.slice(0, dot)}.${digest}.${ending}`, type: TYPES[ending]!, content };
};

const assets = new Map<string, Asset>(NAMES.map(name => [name, load(name)]));

/** Where the page finds the file. */
export const assetPath = (name: AssetName): string => `/console/files/${assets.get(name)!.name}`;

export const assetRoutes: FastifyPluginAsync = async app => {
  const byPath = new Map([...assets.values()].map(asset => [asset.name, asset]));
  app.get<{ Params: { file: string } }>(
    '/console/files/:file',
    { config: { right: 'public' } },
    async (request, reply) => {
      const asset = byPath.get(request.params.file);
      if (asset === undefined)
        return reply.code(404).type('text/plain; charset=utf-8').send('There is no such file.\n');
      return reply.header('cache-control', A_YEAR).type(asset.type).send(asset.content);
    },
  );
};

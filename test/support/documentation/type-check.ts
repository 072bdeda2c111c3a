/** One run of the compiler over all TypeScript and JavaScript of the pages; of JavaScript it looks at the form alone. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Block } from '../markdown.ts';
import type { Scope } from '../store.ts';

/**
 * What fragments leave out because their reader has it: a driver's pool, a web server, an order. Names that an SDK exports
 * need no import. A fragment's own declarations come before these.
 */
const LEFT_OUT = `
import type Database from 'better-sqlite3';
import type { Express } from 'express';
import type { FastifyInstance } from 'fastify';
import type * as nodeHttp from 'node:http';
import type { Kafka as KafkaClient } from 'kafkajs';
import type { Pool } from 'pg';
import type * as p from '@escrowmq/producer';
import type * as c from '@escrowmq/consumer';

declare global {
  const pool: Pool;
  const db: Database.Database;
  const app: Express;
  const fastify: FastifyInstance;
  const http: typeof nodeHttp;
  const createServer: typeof nodeHttp.createServer;
  const kafka: KafkaClient;
  const checkUrl: string;
  const payload: string;
  const messages: p.MessageDraft[];
  const order: { id: string; amount: number };
  const producer: p.Producer<any>;
  const fence: p.SqlFence<any>;
  const consumer: ReturnType<typeof c.createConsumer>;
  const handler: (message: ConsumedMessage, tx: unknown) => void;
  // Tools whose types are not installed here.
  const knex: any;
  const drizzleOn: any;
  const TIMEOUT_MS: number;
  type Knex = any;
  namespace Knex { type Transaction = any; }
  type PrismaClient = any;
  type Tx = any;
  const insertOrder: (tx: unknown, order: unknown) => Promise<void>;
  const messagesOf: (order: unknown) => p.MessageDraft[];
  type ConsumedMessage = c.ConsumedMessage;
  type SqlTool<Db, Tx> = p.SqlTool<Db, Tx>;
  const inOwnTransaction: (producer: unknown, options: object, work: () => any) => Promise<void>;
  const createClient: typeof p.createClient;
  const createProducer: typeof p.createProducer;
  const pgFence: typeof p.pgFence;
  const sqlFence: typeof p.sqlFence;
  const createConsumer: typeof c.createConsumer;
  const pgInbox: typeof c.pgInbox;
  const sqlInbox: typeof c.sqlInbox;
  const replayDeadLetters: typeof c.replayDeadLetters;
}
`;

const OPTIONS = {
  compilerOptions: {
    ...{ target: 'es2023', lib: ['es2024'], module: 'nodenext', types: ['node'], strict: true, noEmit: true },
    ...{ skipLibCheck: true, allowImportingTsExtensions: true, noImplicitAny: false, allowJs: true },
    paths: {
      '@escrowmq/producer': [resolve('producer-sdk/index.ts')],
      '@escrowmq/consumer': [resolve('consumer-sdk/index.ts')],
    },
  },
};

/** Imports stay outside, the rest is the body of a function, so that a fragment may name again what others have named. */
const moduleOf = (text: string): string => {
  const imports: string[] = [];
  const body = text.replaceAll(/^import [\s\S]*?;$/gm, found => {
    imports.push(found.replaceAll('\n', ' '));
    return found.replaceAll(/[^\n]/g, '');
  });
  return `${imports.join(' ')} export const run = async () => {\n${body.replaceAll(/^export (?=const|type|interface)/gm, '')}};\n`;
};

/** The faults that the compiler finds, as `page:line: what`. */
export const typeCheck = async (
  scope: Scope,
  programs: readonly { page: string; block: Block }[],
): Promise<string[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'escrowmq-types-'));
  scope.teardown(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(OPTIONS));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'left-out.ts'), LEFT_OUT);
  for (const [index, { block }] of programs.entries()) {
    writeFileSync(join(folder, `block-${index}.${block.language}`), moduleOf(block.text));
  }
  const compiler = resolve('node_modules/typescript/bin/tsc');
  const { stdout } = await promisify(execFile)(process.execPath, [compiler, '-p', folder, '--pretty', 'false'], {
    cwd: folder,
  }).catch(error => error);
  return stdout
    .split('\n')
    .filter((line: string) => line !== '')
    .map((line: string) =>
      line.replace(/^block-(\d+)\.[jt]s\((\d+),\d+\)/, (_, index, within) => {
        const { page, block } = programs[Number(index)]!;
        // The fence and the line of imports are one each.
        return `${page}:${block.line + Number(within) - 1}`;
      }),
    );
};

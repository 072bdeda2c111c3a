/** Reading transactions: one with everything known of it, or a list. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Transaction } from '../transaction/transaction.ts';
import { DetailQuery, ListQuery, TransactionPath } from './address-schemas.ts';
import { judgeLeisure } from './admission.ts';
import { TransactionDetailSchema, TransactionListSchema } from './answer-schemas.ts';
import { listedBody, transactionDetail } from './bodies.ts';
import { isForeign } from './caller.ts';
import { listFilter } from './list-query.ts';
import { gatherPage } from './page.ts';
import { sendProblem } from './problem.ts';
import type { Forwarding, ServerSettings } from './surroundings.ts';

const plainJson = () => JSON.stringify;

/** A message that waits for Kafka has no error of its own: what stands in its way is that of its topic. */
const explained = (transaction: Transaction, forwarding: Forwarding): Transaction => ({
  ...transaction,
  messages: transaction.messages.map(message =>
    message.state === 'ready'
      ? { ...message, lastError: forwarding.trouble(message.topic) ?? message.lastError }
      : message,
  ),
});

export const transactionReadingRoutes: FastifyPluginAsyncTypebox<ServerSettings> = async (app, settings) => {
  const { coordinator, store, clock, forwarding } = settings;
  const tags = ['transactions'];

  app.get(
    '/v1/transactions/:id',
    {
      config: { right: 'reader', problems: ['TRANSACTION_NOT_FOUND'] },
      serializerCompiler: plainJson,
      schema: {
        tags,
        operationId: 'getTransaction',
        summary: 'Everything known of a transaction',
        description: 'Payloads, headers and types of the messages only with `payload=true`.',
        params: TransactionPath,
        querystring: DetailQuery,
        response: { 200: { ...TransactionDetailSchema, description: 'The transaction as it now is.' } },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const [transaction, history] = await Promise.all([store.transaction(id), store.history(id)]);
      if (transaction === null || isForeign(request.caller, transaction.group)) {
        return sendProblem(request, reply, {
          code: 'TRANSACTION_NOT_FOUND',
          detail: `There is no transaction ${id}.`,
        });
      }
      const contents = request.query.payload === 'true' ? await store.contents(id) : null;
      return transactionDetail(explained(transaction, forwarding), history, contents);
    },
  );

  app.get(
    '/v1/transactions',
    {
      config: { right: 'reader' },
      serializerCompiler: plainJson,
      schema: {
        tags,
        operationId: 'listTransactions',
        summary: 'Lists transactions, newest first',
        description:
          '`since` (inclusive) and `until` (exclusive) are about `preparedAt`; `key` is a message key as text, ' +
          '`lastError` (with `unresolved=true` only) the whole error of the last check, empty: it had none. A page ' +
          'may be shorter than `limit` and still have a `nextCursor`: only its absence says that there is no more.',
        querystring: ListQuery,
        response: { 200: { ...TransactionListSchema, description: 'A page.' } },
      },
    },
    async (request, reply) => {
      const overload = judgeLeisure(coordinator, 'list');
      if (overload !== null) return sendProblem(request, reply, overload);
      const { caller, query } = request;
      // As of a group that nobody knows.
      if (query.group !== undefined && isForeign(caller, query.group)) return { items: [], nextCursor: null };
      const filter = listFilter(caller.group === null ? query : { ...query, group: caller.group });
      const page = await gatherPage(query, filter, clock, (limit, before) => store.list(filter, limit, before));
      return { ...page, items: page.items.map(listedBody) };
    },
  );
};

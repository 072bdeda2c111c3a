/** Local transactions whose messages arrive if, and only if, they commit. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { CommitFailedError, LocalTransactionError } from '../local-transaction/local-database.ts';
import type { CheckHandler } from './check/check-doors.ts';
import { checkHandler } from './check/check-handler.ts';
import type { CallOptions } from './client/call.ts';
import { Client, type Prepared } from './client/client.ts';
import {
  ClientClosedError,
  EscrowError,
  InvalidCallError,
  NotFoundError,
  RefusedError,
  wasNeverSent,
} from './client/client-errors.ts';
import { PREPARE_WINDOW_MS } from './client/dispatcher.ts';
import { inActiveTrace } from './client/draft-trace.ts';
import { isId, type TransactionDraft } from './client/operation-text.ts';
import type { ClientLogger } from './client/settings.ts';
import { newTransactionId } from './client/transaction-id.ts';
import { clock } from './clock.ts';
import { type Business, Execution, kept, type TransactionOptions } from './execution.ts';
import type { Found } from './fence/fence-table.ts';
import { newToken } from './fence/sql-fence.ts';
import type { BrokerState } from './fence/sweep.ts';
import { Openings } from './openings.ts';
import type { Completed, Delivery, Settled } from './outcome.ts';
import {
  IdSpentError,
  NestedTransactionError,
  NotCommittedError,
  OutcomeContradicted,
  OutcomeUnknown,
  TooLateError,
} from './producer-errors.ts';
import {
  milliseconds,
  type ProducerOptions,
  type ProducerSettings,
  producerSettings,
  uncaught,
} from './producer-options.ts';
import { Registration } from './registration.ts';
import { commitAtBroker, type Ended, rollbackAtBroker } from './settlement.ts';
import { inTransactionSpan } from './transaction-span.ts';

/** How long the fence may take to say how a transaction ended. */
const DECIDE_MS = 3_000;

/**
 * A service's side of its transactions; made by `createProducer`, one for the life of the process. Any number of
 * transactions may be under way; their calls of the broker share requests.
 */
export class Producer<Tx> {
  /** The calls of the broker, for what is not about local transactions. */
  readonly client: Client;
  readonly #settings: ProducerSettings<Tx>;
  readonly #logger: ClientLogger | null;
  readonly #deadlineMs: number;
  readonly #registration: Registration;
  readonly #openings = new Openings();
  /** Whether the code that runs is part of a business function of this producer that has not returned. */
  readonly #inside = new AsyncLocalStorage<{ isOpen: boolean }>();
  /** Transactions, and what is repeated behind those that returned. */
  readonly #underWay = new Set<Promise<unknown>>();
  #isReady = false;
  #closing: Promise<void> | null = null;

  constructor(options: ProducerOptions<Tx>) {
    this.#settings = producerSettings(options);
    this.#logger = options.logger ?? null;
    this.#deadlineMs = options.deadlineMs ?? 30_000;
    this.client = new Client(options);
    const { group, registered, fence } = this.#settings;
    fence?.bind({
      group,
      checkAge: id => this.#openings.checkAge(id),
      stateOf: id => this.#stateOf(id),
    });
    this.#registration = new Registration(this.client, group, registered, this.#logger);
  }

  /**
   * Resolves once the broker knows the group and the fence can be written. Rejects where the broker refuses, where the
   * fence's table or database is not fit, or when `deadlineMs` has passed. Every transaction waits for the same.
   */
  async ready({ deadlineMs = this.#deadlineMs, signal }: CallOptions = {}): Promise<void> {
    if (this.#isReady) return;
    // The fence first: where it is not fit, nobody is told anything.
    await this.#registration.within(this.#settings.source.assertReady(), deadlineMs, signal);
    this.#isReady = true;
  }

  /**
   * Runs the business function in a local transaction, guarded by the fence, and commits its messages with it.
   *
   * Resolves when the database has committed. Rejects with the function's own error, unchanged, when it failed and
   * everything is rolled back; with IdSpentError when the id was rolled back before; with OutcomeUnknown when neither
   * COMMIT nor the fence answered; with OutcomeContradicted when the broker holds the opposite of what the database has;
   * with the client's errors when nothing could be prepared, and then the function has not run.
   */
  transaction<T>(options: TransactionOptions, business: Business<Tx, T>): Promise<Completed<T>> {
    const { spans, group } = this.#settings;
    return this.#track(inTransactionSpan(spans, group, options, traced => this.#transaction(traced, business)));
  }

  /**
   * Stores a transaction that you begin with a tool of your own: prepare, then `fence.claim` as its first statement, then
   * `verify` as its last, then, however it ended, `settle`. Only `state: 'prepared'` lets it begin.
   */
  prepare(draft: Omit<TransactionDraft, 'group'>, options: CallOptions = {}): Promise<Prepared> {
    return this.#track(this.#prepare(draft, options));
  }

  /**
   * Tells the broker what the fence says of a transaction that has ended, whether it committed or not; writes the verdict
   * `rollback` where it says nothing. Waits for one that is still open, and rejects with OutcomeUnknown if that takes long.
   */
  settle(id: string): Promise<Settled> {
    return this.#track(this.#settle(id));
  }

  /** Answers the broker's check-backs, in any HTTP server. */
  checkHandler(): CheckHandler {
    const { group, checkSecret, source, spans } = this.#settings;
    return checkHandler({
      group,
      spans,
      secret: checkSecret,
      logger: this.#logger,
      judge: (ids, ms) => source.judge(ids, ms),
    });
  }

  /**
   * Refuses further transactions, waits until those under way have ended and the broker has heard of them (or their
   * deadlines have passed), and ends the connections. A second call waits for the same end.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    this.#registration.stop();
    await this.client.close();
    await this.#settings.source.close();
  }

  /** The promise that is returned has no handler yet: a rejection that nobody awaits is seen. */
  #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    return work.finally(() => void this.#underWay.delete(work));
  }

  #judge(id: unknown): void {
    if (this.#closing !== null) throw new ClientClosedError();
    if (!isId(id)) throw new InvalidCallError('id must match [A-Za-z0-9_-]{1,64}.');
  }

  #judgeGroup(options: object): void {
    const { group } = options as { group?: unknown };
    if (group === undefined || group === this.#settings.group) return;
    throw new InvalidCallError(
      `This producer is of the group ${this.#settings.group}: its fence answers for no other.`,
    );
  }

  async #transaction<T>(options: TransactionOptions, business: Business<Tx, T>): Promise<Completed<T>> {
    const { id = newTransactionId(), signal } = options;
    this.#judge(id);
    if (this.#inside.getStore()?.isOpen) throw new NestedTransactionError();
    const { source, transactionTimeoutMs } = this.#settings;
    const timeoutMs = milliseconds('timeoutMs', options.timeoutMs, transactionTimeoutMs, 1);
    const { group } = this.#settings;
    this.#judgeGroup(options);
    const execution = new Execution(id, group, options, business);
    if (execution.isLate && source.needsMessagesFirst) {
      throw new InvalidCallError('messages must be given: nothing can be prepared inside this business function.');
    }
    source.assertIdle(business);
    await this.ready(signal === undefined ? {} : { signal });
    if (!execution.isLate) {
      const { state } = await this.client.prepare(execution.sending()!, signal === undefined ? {} : { signal });
      if (state !== 'prepared') return this.#endedBefore(id, state);
    }
    const token = newToken();
    const scope = { isOpen: true };
    let value: T;
    try {
      value = await source.run({
        id,
        token,
        checkAge: () => {
          if (execution.firstSentAt !== null && clock.ageMs(execution.firstSentAt) > PREPARE_WINDOW_MS) {
            throw new TooLateError(id);
          }
        },
        business: tx => this.#inside.run(scope, () => execution.run(tx)),
        ...(execution.isLate ? { beforeCommit: () => this.#prepareLate(execution, signal) } : {}),
        timeoutMs,
        signal,
      });
    } catch (error) {
      return await this.#afterFailure(execution, token, error);
    } finally {
      scope.isOpen = false;
    }
    return { id, value, repeated: false, delivery: await this.#deliver(execution) };
  }

  async #prepareLate(execution: Execution<Tx, unknown>, signal: AbortSignal | undefined): Promise<void> {
    const draft = execution.sending();
    if (draft === null) return;
    let state: Prepared['state'];
    try {
      const deadlineMs = Math.min(this.#settings.latePrepareMs, this.#deadlineMs);
      ({ state } = await this.client.prepare(draft, { deadlineMs, ...(signal === undefined ? {} : { signal }) }));
    } catch (error) {
      if (wasNeverSent(error)) execution.firstSentAt = null;
      throw error;
    }
    if (state === 'rolled_back') throw new IdSpentError(execution.id);
    if (state === 'committed') {
      throw new OutcomeContradicted(execution.id, `The broker holds ${execution.id} as committed before it happened.`);
    }
  }

  /** The id had been decided at the broker before this call. */
  async #endedBefore(id: string, state: 'committed' | 'rolled_back'): Promise<Completed<never>> {
    const found = await this.#settings.source.look(id, DECIDE_MS);
    // A written check may not know any more what it once said; nobody then contradicts the broker.
    const isUncontradicted = found === null && this.#settings.fence === null;
    if (state === 'committed' && (found?.outcome === 'commit' || isUncontradicted)) {
      return { id, value: undefined, repeated: true, delivery: 'acknowledged' };
    }
    if (state === 'rolled_back' && found?.outcome !== 'commit') throw new IdSpentError(id);
    const here = found === null ? 'knows nothing of it' : `holds ${found.outcome}`;
    throw new OutcomeContradicted(id, `The broker holds ${id} as ${state}, and the local database ${here}.`);
  }

  /** The local transaction did not succeed as far as its driver says. What is done about it comes from the fence alone. */
  async #afterFailure<T>(execution: Execution<Tx, T>, token: string, error: unknown): Promise<Completed<T>> {
    const { id } = execution;
    const isCommitInDoubt = error instanceof CommitFailedError;
    const wasSent = execution.firstSentAt !== null;
    const writer = newToken();
    let found: Found | null;
    try {
      const { source } = this.#settings;
      // Where nothing was sent and no COMMIT is in doubt there is nothing to decide, and the id stays usable.
      found = await (wasSent || isCommitInDoubt ? source.decide(id, writer, DECIDE_MS) : source.look(id, DECIDE_MS));
    } catch (cause) {
      this.#logger?.warn({ event: 'fence_silent', transactionId: id, err: cause }, 'the fence could not be asked');
      throw isCommitInDoubt ? new OutcomeUnknown(id, error.cause) : error;
    }
    if (found?.outcome === 'commit') {
      if (isCommitInDoubt && found.token === token) {
        return { id, value: execution.returned!.value, repeated: false, delivery: await this.#deliver(execution) };
      }
      if (!execution.hasBegun) {
        return { id, value: undefined, repeated: true, delivery: await this.#deliverAgain(execution) };
      }
      await this.#report(() => this.#deliver(execution));
      if (found.token !== token) throw error;
      const message = `A statement of the function committed ${id} before the function failed: what it had done until then stands, and its messages are sent.`;
      throw new LocalTransactionError('MISUSED_TRANSACTION', message, false, error);
    }
    if (found?.outcome === 'rollback') {
      if (wasSent) await this.#report(() => this.#rollBack(id));
      if (isCommitInDoubt) throw new NotCommittedError(id, error.cause);
      if (!execution.hasBegun && found.token !== writer && found.token !== '') throw new IdSpentError(id, error);
      // Repeated under the same id it can never succeed, whatever the client says of the call alone.
      if (wasSent && execution.isLate && error instanceof EscrowError && error.retryable) {
        throw new NotCommittedError(id, error);
      }
    }
    if (found === null && isCommitInDoubt) throw new OutcomeUnknown(id, error.cause);
    throw error;
  }

  /** Another error is on its way to the caller; what two systems disagree about must not be lost behind it. */
  async #report(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof OutcomeContradicted)) throw error;
      this.#settings.onContradiction(error);
    }
  }

  #deliver({
    id,
    draft,
    firstSentAt,
  }: Pick<Execution<Tx, unknown>, 'id' | 'draft' | 'firstSentAt'>): Promise<Delivery> {
    if (draft === null) return Promise.resolve('none');
    return this.#commit({ id, draft, firstSentAt: firstSentAt ?? clock.moment() });
  }

  /** Happened before, in another execution: late messages are the broker's to know. */
  #deliverAgain(execution: Execution<Tx, unknown>): Promise<Delivery> {
    if (!execution.isLate) return this.#deliver(execution);
    return this.#commit({ id: execution.id, draft: null, mayBeSilent: true, firstSentAt: clock.moment() });
  }

  #commit(ended: Ended): Promise<Delivery> {
    return this.#tell(ended.id, commitAtBroker(this.client, ended));
  }

  #rollBack(id: string): Promise<Delivery> {
    return this.#tell(id, rollbackAtBroker(this.client, id));
  }

  /** Waits for a moment; then the caller goes on, and the call behind it. */
  async #tell(id: string, telling: Promise<Delivery>): Promise<Delivery> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<'pending'>(resolve => {
      timer = setTimeout(() => resolve('pending'), this.#settings.confirmMs);
    });
    const told = telling.catch((error: unknown): Delivery => {
      if (error instanceof OutcomeContradicted) throw error;
      const fields = { event: 'left_to_check_back', transactionId: id, err: error };
      this.#logger?.warn(fields, 'the broker was not told; its check-back will ask');
      return 'pending';
    });
    try {
      const delivery = await Promise.race([told, patience]);
      // Nobody waits for it any more.
      if (delivery === 'pending') void this.#track(this.#report(() => told).catch(uncaught));
      return delivery;
    } finally {
      clearTimeout(timer);
    }
  }

  async #prepare(draft: Omit<TransactionDraft, 'group'>, options: CallOptions): Promise<Prepared> {
    const { id = newTransactionId() } = draft;
    this.#judge(id);
    await this.ready();
    this.#judgeGroup(draft);
    const messages = Array.isArray(draft.messages) ? draft.messages.map(kept) : draft.messages;
    const { group, spans } = this.#settings;
    const complete = inActiveTrace({ ...draft, id, messages, group }, spans);
    this.#openings.add(id, complete);
    try {
      return await this.client.prepare(complete, options);
    } catch (error) {
      if (error instanceof RefusedError || wasNeverSent(error)) this.#openings.take(id);
      throw error;
    }
  }

  async #settle(id: string): Promise<Settled> {
    this.#judge(id);
    const { source } = this.#settings;
    let found: Found | null;
    try {
      found = await source.decide(id, newToken(), DECIDE_MS);
    } catch (error) {
      throw new OutcomeUnknown(id, error);
    }
    if (found === null) throw new OutcomeUnknown(id, undefined);
    const opening = this.#openings.take(id);
    if (found.outcome === 'rollback') return { id, outcome: 'rolled_back', delivery: await this.#rollBack(id) };
    const { draft = null, firstSentAt = clock.moment() } = opening ?? {};
    return { id, outcome: 'committed', delivery: await this.#commit({ id, draft, firstSentAt }) };
  }

  async #stateOf(id: string): Promise<BrokerState | null> {
    try {
      return (await this.client.transaction(id)).state;
    } catch (error) {
      if (error instanceof NotFoundError && error.code === 'TRANSACTION_NOT_FOUND') return null;
      throw error;
    }
  }
}

/** Throws an InvalidCallError where a setting cannot be used. Registers the group at the broker by itself. */
export const createProducer = <Tx = undefined>(options: ProducerOptions<Tx>): Producer<Tx> => new Producer(options);

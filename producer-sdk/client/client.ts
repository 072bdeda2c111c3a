/** A connection to the broker for any number of callers at once. */
import type {
  ProducerGroupBody,
  ProducerGroupInput,
  TransactionBody,
  TransactionDetail,
} from '../../broker/protocol/wire.ts';
import { clock } from '../clock.ts';
import { Call, type CallOptions, type Outcome } from './call.ts';
import { CallAbortedError, InvalidCallError } from './client-errors.ts';
import { Dispatcher } from './dispatcher.ts';
import { inActiveTrace } from './draft-trace.ts';
import { Connections } from './exchange.ts';
import { isId, type OperationText, prepareText, resolutionText, type TransactionDraft } from './operation-text.ts';
import { type ClientOptions, type ClientSettings, clientSettings, wholeNumber } from './settings.ts';
import { SingleCalls } from './single-calls.ts';
import { newTransactionId } from './transaction-id.ts';

/** Connections for calls that are a request each, beyond those of the batches. */
const SINGLE_CONNECTIONS = 2;

/** What the broker holds under the id, as it now is. */
export type Prepared = TransactionBody & {
  /**
   * Whether the attempt that was answered stored it. False: it was there already, with the same content, maybe from an
   * earlier attempt of this very call. Either way only `state: 'prepared'` lets the local transaction begin.
   */
  isNew: boolean;
};

const judgedId = (id: unknown, what: string): string => {
  if (isId(id)) return id;
  throw new InvalidCallError(`${what} must match [A-Za-z0-9_-]{1,64}.`);
};

/**
 * Every call is repeated with the same id until it has an answer or its deadline has passed, and ends once: with the
 * broker's answer, or with an EscrowError. Calls that wait at the same time share requests.
 */
export class Client {
  readonly #settings: ClientSettings;
  readonly #connections: Connections;
  readonly #dispatcher: Dispatcher;
  readonly #singles: SingleCalls;
  #closing: Promise<void> | null = null;

  constructor(options: ClientOptions) {
    this.#settings = clientSettings(options);
    this.#connections = new Connections(this.#settings, SINGLE_CONNECTIONS);
    this.#dispatcher = new Dispatcher(this.#settings, this.#connections);
    this.#singles = new SingleCalls(this.#settings, this.#connections);
  }

  /** Stores a transaction with its half messages, durably and invisibly. Idempotent under the draft's id. */
  async prepare(draft: TransactionDraft, options: CallOptions = {}): Promise<Prepared> {
    const id = draft.id === undefined ? newTransactionId() : judgedId(draft.id, 'id');
    const group = judgedId(draft.group ?? this.#settings.group, 'group');
    const text = prepareText(inActiveTrace(draft, this.#settings.spans), id, group);
    const { status, body } = await this.#operate('prepare', id, text, options);
    return { ...body, isNew: status === 201 };
  }

  /** Makes the messages go to Kafka. Resolved: it is durable and final. ConflictError: it was rolled back before. */
  async commit(id: string, options: CallOptions = {}): Promise<TransactionBody> {
    return this.#resolve('commit', id, options);
  }

  /** Nobody will see the messages. ConflictError: it was committed before. */
  async rollback(id: string, options: CallOptions = {}): Promise<TransactionBody> {
    return this.#resolve('rollback', id, options);
  }

  /** Everything the broker knows of it. NotFoundError is no verdict. */
  async transaction(id: string, options: CallOptions = {}): Promise<TransactionDetail> {
    const path = `/v1/transactions/${judgedId(id, 'id')}`;
    const body = await this.#singles.make({ method: 'GET', path, body: null, bytes: 0 }, options, id);
    return body as TransactionDetail;
  }

  /** Creates the group or changes what the settings name. */
  async putGroup(group: string, settings: ProducerGroupInput, options: CallOptions = {}): Promise<ProducerGroupBody> {
    const path = `/v1/producer-groups/${judgedId(group, 'group')}`;
    const body = JSON.stringify(settings);
    const bytes = Buffer.byteLength(body);
    return (await this.#singles.make({ method: 'PUT', path, body, bytes }, options, null)) as ProducerGroupBody;
  }

  /**
   * Refuses further calls, waits until every call made before has its outcome, and ends the connections. Never rejects;
   * a second call waits for the same end.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([this.#dispatcher.drain(), this.#singles.drain()]);
    this.#connections.destroy();
  }

  async #resolve(resolution: 'commit' | 'rollback', id: string, options: CallOptions): Promise<TransactionBody> {
    const text = resolutionText(resolution, judgedId(id, 'id'));
    return (await this.#operate('resolution', id, text, options)).body;
  }

  #operate(kind: Call['kind'], id: string, text: OperationText, options: CallOptions): Promise<Outcome> {
    const { signal, deadlineMs = this.#settings.deadlineMs } = options;
    const deadline = clock.monotonic() + wholeNumber('deadlineMs', deadlineMs);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw new CallAbortedError({ cause: signal.reason, transactionId: id });
      const call = new Call({ kind, id, ...text, deadline, deadlineMs }, resolve, reject);
      this.#dispatcher.accept(call);
      if (signal !== undefined) call.listenTo(signal, error => this.#dispatcher.abort(call, error));
    });
  }
}

/** Throws an InvalidCallError where a setting cannot be used. Connects at the first call. */
export const createClient = (options: ClientOptions): Client => new Client(options);

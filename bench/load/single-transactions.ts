/** One transaction after the other, each of two single calls: what a lone caller feels. */
import { newTransactionId } from '../../producer-sdk/client/transaction-id.ts';
import { payloads, type Target } from './messages.ts';
import { sharedNow } from './moment.ts';
import { RawConnection } from './raw-connection.ts';

const PAYLOAD = payloads(512)(0);

export class SingleTransactions {
  readonly #connection: RawConnection;
  readonly #topic: string;
  readonly #group: string;

  private constructor(connection: RawConnection, topic: string, group: string) {
    this.#connection = connection;
    this.#topic = topic;
    this.#group = group;
  }

  static async open({ url, topic }: Target, group: string): Promise<SingleTransactions> {
    return new SingleTransactions(await RawConnection.open(url), topic, group);
  }

  /** Milliseconds of prepare and commit; null: one of them was refused. */
  async one(): Promise<number | null> {
    const id = newTransactionId();
    const messages = [{ topic: this.#topic, payload: PAYLOAD }];
    const began = sharedNow();
    const prepared = await this.#connection.post(
      '/v1/transactions',
      JSON.stringify({ id, group: this.#group, messages }),
    );
    if (prepared.status !== 201) return null;
    const { status } = await this.#connection.post(`/v1/transactions/${id}/commit`, null);
    return status === 200 ? sharedNow() - began : null;
  }

  close(): void {
    this.#connection.close();
  }
}

/** What the recipes have in common: a shop whose orders are announced if, and only if, they are in its database. */
import type { MessageDraft, Producer } from '@escrowmq/producer';

export interface Settings {
  /** Address of the broker. */
  readonly broker: string;
  /** Address of the database, as `postgresql://user:password@host:port/name` or `mysql://…`; the file's path for SQLite. */
  readonly database: string;
  /** Where the broker reaches the shop's check handler. */
  readonly checkUrl: string;
}

/** Its id is also its transaction's: an order that is placed twice is one order. */
export interface Order {
  readonly id: string;
  readonly amount: number;
}

export const messagesOf = (order: Order): MessageDraft[] => [
  { topic: 'orders', key: order.id, payload: JSON.stringify(order), contentType: 'application/json' },
];

export const CREATE_ORDERS = 'create table if not exists orders (id varchar(64) primary key, amount integer not null)';

/** What each recipe opens. */
export interface Shop {
  readonly producer: Pick<Producer<unknown>, 'checkHandler'>;
  /** Makes the tables; in a service this is a migration. */
  install(): Promise<void>;
  /** (a) In a transaction that the producer begins and ends. */
  placeOrder(order: Order): Promise<unknown>;
  /** (b) In a transaction that the tool begins and ends, as code does that was there before. */
  placeOrderInOwnTransaction(order: Order): Promise<void>;
  close(): Promise<void>;
}

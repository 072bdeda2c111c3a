/** The shop's table as TypeORM knows it; written without decorators, so that Node runs it as it is. */
import { EntitySchema } from 'typeorm';
import type { Order } from './shop.ts';

export const Orders = new EntitySchema<Order>({
  name: 'Order',
  tableName: 'orders',
  columns: {
    id: { type: 'varchar', length: 64, primary: true },
    amount: { type: 'int' },
  },
});

/** A broker as the contract has it, small enough to be sure of: prepared, then committed or rolled back; the first wins. */
import type { Problem } from '../../broker/protocol/errors.ts';
import type { TransactionBody } from '../../broker/protocol/wire.ts';
import { type RefusedError, refusalOf } from '../../producer-sdk/client/client-errors.ts';

export type State = 'unknown here' | 'prepared' | 'committed' | 'rolled_back';
export type Operation = 'prepare' | 'commit' | 'rollback' | 'state';

/** An answer that can be handed to another thread. */
export type Reply = { readonly body: TransactionBody } | { readonly problem: Problem };

const problem = (status: number, code: Problem['code'], state?: Problem['state']): Reply => ({
  problem: {
    ...{ type: `/errors#${code}`, title: code, status, detail: code, instance: null, code, retryable: false },
    ...(state === undefined ? {} : { state }),
  } as unknown as Problem,
});

/** One transaction of one broker. */
export class BrokerModel {
  readonly id: string;
  state: State = 'unknown here';
  /** Resolutions that met the opposite one, from wherever they came. */
  readonly contradicted: string[] = [];

  constructor(id: string) {
    this.id = id;
  }

  carryOut(operation: Operation): Reply {
    if (operation === 'prepare' && this.state === 'unknown here') this.state = 'prepared';
    if (this.state === 'unknown here') return problem(404, 'TRANSACTION_NOT_FOUND');
    if (operation === 'commit' || operation === 'rollback') {
      if (!this.resolve(operation)) {
        return problem(409, operation === 'commit' ? 'ALREADY_ROLLED_BACK' : 'ALREADY_COMMITTED', this.state);
      }
    }
    const at = '2026-11-21T10:00:00.000Z';
    return {
      body: { id: this.id, group: 'g', state: this.state, preparedAt: at, resolvedAt: null, resolvedBy: null },
    };
  }

  /** Whether it stands now. */
  resolve(resolution: 'commit' | 'rollback'): boolean {
    const wanted = resolution === 'commit' ? 'committed' : 'rolled_back';
    if (this.state === 'prepared') this.state = wanted;
    if (this.state === wanted) return true;
    if (this.state !== 'unknown here') this.contradicted.push(`${resolution} of one that is ${this.state}`);
    return false;
  }
}

export const refused = (problem: Problem, id: string): RefusedError => refusalOf(problem, id);

/** Lone callers who do one transaction after another, in single calls, and remember what they were told. */
import { sharedNow } from '../../bench/load/moment.ts';
import { type RawAnswer, RawConnection } from '../../bench/load/raw-connection.ts';

export interface Told {
  /** By id, as the last answer had it. */
  readonly states: Map<string, 'prepared' | 'committed'>;
  /** Ids of prepares that were refused. */
  readonly refused: string[];
  /** Commits that were refused. */
  refusedCommits: number;
  /** Refusals that do not say when to come again, and answers that are none of these. */
  readonly wrong: string[];
  /** Milliseconds of prepare and commit together. */
  readonly tookMs: number[];
  readonly commitMs: number[];
}

const isRefusal = ({ status }: RawAnswer): boolean => status === 429 || status === 503;

export class Polite {
  readonly told: Told = { states: new Map(), refused: [], refusedCommits: 0, wrong: [], tookMs: [], commitMs: [] };
  readonly #url: string;
  readonly #group: string;
  readonly #prefix: string;
  #number = 0;

  /** `prefix`: of the ids. */
  constructor(url: string, group: string, prefix: string) {
    this.#url = url;
    this.#group = group;
    this.#prefix = prefix;
  }

  /** So many at a time, until `isOver` says so. */
  async run(callers: number, isOver: () => boolean): Promise<void> {
    const call = async (): Promise<void> => {
      const connection = await RawConnection.open(this.#url);
      while (!isOver()) await this.#one(connection);
      connection.close();
    };
    await Promise.all(Array.from({ length: callers }, call));
  }

  async #one(connection: RawConnection): Promise<void> {
    const id = `${this.#prefix}-${this.#number++}`;
    const began = sharedNow();
    const messages = [{ topic: 'polite', key: id, payload: id }];
    const prepared = await connection.post('/v1/transactions', JSON.stringify({ id, group: this.#group, messages }));
    this.#look('prepare', id, prepared, 201);
    if (isRefusal(prepared)) this.told.refused.push(id);
    if (prepared.status !== 201) return;
    this.told.states.set(id, 'prepared');
    const sent = sharedNow();
    const committed = await connection.post(`/v1/transactions/${id}/commit`, null);
    this.#look('commit', id, committed, 200);
    if (isRefusal(committed)) this.told.refusedCommits += 1;
    if (committed.status !== 200) return;
    this.told.states.set(id, 'committed');
    this.told.commitMs.push(sharedNow() - sent);
    this.told.tookMs.push(sharedNow() - began);
  }

  #look(act: string, id: string, answer: RawAnswer, good: number): void {
    if (answer.status === good) return;
    if (!isRefusal(answer)) this.told.wrong.push(`${act} of ${id} was answered ${answer.status}: ${answer.body}`);
    else if (!/\r\nretry-after: *\d+/i.test(answer.head))
      this.told.wrong.push(`${act} of ${id} was refused with ${answer.status} and no Retry-After`);
  }
}

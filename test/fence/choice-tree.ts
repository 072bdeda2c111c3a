/**
 * Every order in which things can happen, one after another: each run goes down one path of the tree and leaves the
 * other branches it saw on the way for later runs.
 */

/** `write` before or after anything else on the same object makes a difference, `read` beside `read` does not. */
export type Touch = 'nothing' | 'read' | 'write';

/** One thing that can happen next. */
export interface Choice {
  /** The same in every run. */
  readonly key: string;
  readonly actor: string;
  /** What it has to do with the rows and locks of the database, and with the broker. */
  readonly database: Touch;
  readonly broker: Touch;
}

interface Node {
  /** What was offered, in order. */
  readonly offered: readonly string[];
  /** What can be taken: what was offered, and what showed itself as another way out of one of these. */
  readonly choices: Choice[];
  /** Taken elsewhere, with the same effect whether it comes there or here. */
  readonly asleep: readonly Choice[];
  readonly done: Choice[];
  current: Choice;
}

/** A run was offered something else than the same path was before. */
export class Diverged extends Error {}

const meet = (a: Touch, b: Touch): boolean => a !== 'nothing' && b !== 'nothing' && (a === 'write' || b === 'write');

/** Neighbours in an order that may change places without anybody noticing. */
const isIndependent = (a: Choice, b: Choice): boolean =>
  a.actor !== b.actor && !meet(a.database, b.database) && !meet(a.broker, b.broker);

const isAmong = (choices: readonly Choice[], { key }: Choice): boolean => choices.some(other => other.key === key);

export class ChoiceTree {
  readonly #isPruned: boolean;
  #path: Node[] = [];
  #depth = 0;

  /**
   * `isPruned`: of all orders that differ only in neighbours that are independent of each other, one is taken (sleep
   * sets: Godefroid, Partial-Order Methods, 1996).
   */
  constructor(isPruned: boolean) {
    this.#isPruned = isPruned;
  }

  /** The keys of the path of the present run. */
  get path(): readonly string[] {
    return this.#path.slice(0, this.#depth).map(({ current }) => current.key);
  }

  begin(): void {
    this.#depth = 0;
  }

  /** The key of what happens next in the present run. Null: each order that begins like this has the same effect as one taken elsewhere. */
  take(choices: readonly Choice[]): string | null {
    const offered = choices.map(({ key }) => key);
    const known = this.#path[this.#depth];
    if (known !== undefined) {
      if (known.offered.join() !== offered.join()) {
        throw new Diverged(
          `after ${this.path.join(', ')}: ${offered.join(', ')} instead of ${known.offered.join(', ')}`,
        );
      }
      this.#depth += 1;
      return known.current.key;
    }
    const asleep = this.#asleep();
    const current = choices.find(choice => !isAmong(asleep, choice));
    if (current === undefined) return null;
    this.#path.push({ offered, choices: [...choices], asleep, done: [], current });
    this.#depth += 1;
    return current.key;
  }

  /** What was taken last turned out to have another way out. */
  alsoOffer(choice: Choice): void {
    const { choices } = this.#path[this.#depth - 1]!;
    if (!isAmong(choices, choice)) choices.push(choice);
  }

  /** Whether there is another run, which is then the present one. */
  advance(): boolean {
    for (let node = this.#path.at(-1); node !== undefined; node = this.#path.at(-1)) {
      node.done.push(node.current);
      const next = node.choices.find(choice => !isAmong(node!.done, choice) && !isAmong(node!.asleep, choice));
      if (next !== undefined) {
        node.current = next;
        return true;
      }
      this.#path.pop();
    }
    return false;
  }

  #asleep(): readonly Choice[] {
    const parent = this.#path.at(-1);
    if (!this.#isPruned || parent === undefined) return [];
    return [...parent.asleep, ...parent.done].filter(choice => isIndependent(choice, parent.current));
  }
}

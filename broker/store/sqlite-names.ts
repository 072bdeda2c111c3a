/** Names of groups and topics, which stand as small numbers in every row. */
export class SqliteNames {
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, string>();

  idOf(name: string): number | undefined {
    return this.#ids.get(name);
  }

  nameOf(id: number): string {
    return this.#names.get(id)!;
  }

  /** Returns how to forget it again where it is new, should the commit fail: the id may then be given to another name. */
  know(id: number, name: string): () => void {
    const isNew = !this.#ids.has(name);
    this.#ids.set(name, id);
    this.#names.set(id, name);
    return () => {
      if (isNew && this.#ids.delete(name)) this.#names.delete(id);
    };
  }
}

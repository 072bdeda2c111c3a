/** SQL as both SDKs write it: text and values apart, so that every driver can put its own placeholders between. */

export type Dialect = 'sqlite' | 'postgresql' | 'mysql';
export type Value = string | number | null;
export type Row = Readonly<Record<string, unknown>>;

/** `parts` is one longer than `params`: a value stands between any two of them. */
export interface Statement {
  readonly parts: readonly string[];
  readonly params: readonly Value[];
}

/**
 * Statements one after another; each is answered with its rows. Written once, they run on drivers that answer at once
 * and on those that answer later. What a statement fails with is thrown at its place.
 */
export type Steps<T = void> = Generator<Statement, T, readonly Row[]>;

/** A statement in template form: what stands in `${…}` becomes a parameter, or part of the text if it is `text(…)`. */
export const sql = (strings: TemplateStringsArray, ...values: readonly (Value | Text)[]): Statement => {
  const parts = [strings[0]!];
  const params: Value[] = [];
  for (const [index, value] of values.entries()) {
    if (value instanceof Text) parts.push(`${parts.pop()}${value.sql}${strings[index + 1]!}`);
    else {
      params.push(value);
      parts.push(strings[index + 1]!);
    }
  }
  return { parts, params };
};

/** SQL that is no value: never anything that came from outside. */
export class Text {
  readonly sql: string;
  constructor(sql: string) {
    this.sql = sql;
  }
}
export const text = (sql: string): Text => new Text(sql);

/** A list of values, for `in (…)`. */
export const list = (head: string, values: readonly Value[], tail: string): Statement => ({
  parts: [head, ...values.slice(1).map(() => ', '), tail],
  params: values,
});

/** With `$1, $2, …` for PostgreSQL, `?` for the others. */
export const rendered = ({ parts }: Statement, dialect: Dialect): string =>
  dialect === 'postgresql' ? parts.reduce((before, part, index) => `${before}$${index}${part}`) : parts.join('?');

/** What stands on the command line, as a command reads it. */
import { clock } from '../clock.ts';
import { type Flags, UsageError } from './flags.ts';

const UNITS_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

interface Named {
  readonly name: string;
  readonly flags: Flags;
}

/** To ask for a flag that the command does not have is a mistake in the program. */
export class Input {
  readonly operands: readonly string[];
  /** As they were given. */
  readonly args: readonly string[];
  readonly #command: Named;
  readonly #given: Readonly<Record<string, string | boolean | undefined>>;

  constructor(
    command: Named,
    args: readonly string[],
    operands: readonly string[] = [],
    given: Readonly<Record<string, string | boolean | undefined>> = {},
  ) {
    this.#command = command;
    this.args = args;
    this.operands = operands;
    this.#given = given;
  }

  text(flag: string): string | null {
    const value = this.#of(flag);
    return typeof value === 'string' ? value : null;
  }

  isSet(flag: string): boolean {
    return this.#of(flag) !== undefined;
  }

  /** Of a flag that must be there; `why` continues "Say". */
  needed(flag: string, why: string): string {
    const text = this.text(flag);
    if (text === null) throw new UsageError(`Say ${why}: --${flag} ${this.#command.flags[flag]!.value}.`);
    return text;
  }

  /** A whole number. */
  integer(flag: string, min: number, max: number): number | null {
    const text = this.text(flag);
    if (text === null) return null;
    const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new UsageError(`--${flag} must be a whole number from ${min} to ${max}.`);
    return value;
  }

  /** A time that lies as far `before` or `after` now as the text says (`30m`, `2h`), or a time as it was given. */
  instant(flag: string, direction: 'before' | 'after'): string | null {
    const text = this.text(flag);
    const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text ?? '') ?? [];
    if (unit === undefined && text !== null && !/^\d{4}-\d\d-\d\dT/.test(text))
      throw new UsageError(
        `--${flag} must be a time like 2026-11-21T10:00:00Z, or so long ${direction === 'after' ? 'from now' : 'ago'}: 30m, 2h, 7d.`,
      );
    if (unit === undefined) return text;
    const ms = Number(count) * UNITS_MS[unit]!;
    return new Date(clock.now() + (direction === 'after' ? ms : -ms)).toISOString();
  }

  #of(flag: string): string | boolean | undefined {
    if (!Object.hasOwn(this.#command.flags, flag)) throw new Error(`${this.#command.name} has no flag --${flag}`);
    return this.#given[flag];
  }
}

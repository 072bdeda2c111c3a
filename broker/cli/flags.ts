/** Flags, and those that many commands have in common. */

/** Wrong use. Each is a sentence for the person at the keyboard. */
export class UsageError extends Error {
  override name = 'UsageError';
}

export interface Flag {
  /** How help names its value, like FILE; left out: the flag is given or not. */
  readonly value?: string;
  readonly help: string;
  /** What completion offers. */
  readonly choices?: readonly string[];
  /** The empty text says something. */
  readonly mayBeEmpty?: true;
}

export type Flags = Readonly<Record<string, Flag>>;

/** Of every command that calls a broker. */
export const BROKER_FLAGS = {
  url: { value: 'ADDRESS', help: 'of the broker (default http://127.0.0.1:7400), or ESCROWMQ_URL' },
  key: { value: 'KEY', help: 'an operator key, or a viewer’s to look; better in a file, or in ESCROWMQ_KEY' },
  'key-file': { value: 'FILE', help: 'file with the key, or ESCROWMQ_KEY_FILE' },
  json: { help: 'the broker’s answer, for programs' },
} as const satisfies Flags;

/** Of every command that decides something. */
export const REASON = { value: 'TEXT', help: 'why; kept for ever' } as const satisfies Flag;

/** Of every command that can go on for ever. */
export const FOLLOW = { help: 'goes on and shows what comes, until Ctrl-C' } as const satisfies Flag;

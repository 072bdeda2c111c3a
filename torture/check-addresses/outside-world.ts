/** The world that a broker under test finds outside: names that lead where we say, and a record of what it reached for. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Read by the broker's resolver at each look-up. */
export interface Answers {
  /** Name → the addresses that its first, second, … look-up finds. */
  readonly names: Readonly<Record<string, readonly (readonly string[])[]>>;
  /** Those of any other name. */
  readonly others: readonly string[];
}

export type Sighting =
  | { readonly what: 'look-up'; readonly name: string; readonly addresses: readonly string[] }
  | { readonly what: 'call'; readonly address: string; readonly port: number };

interface Settings {
  readonly namesFile: string;
  readonly sightingsFile: string;
  /** Where calls to other machines end. */
  readonly trapPort: number;
}

const HOOK = pathToFileURL(join(import.meta.dirname, '../hooks/outside-world.ts')).href;

/** Of the hook's own address. */
export const settingsOf = (url: string): Settings => {
  const query = new URL(url).searchParams;
  return {
    namesFile: query.get('names')!,
    sightingsFile: query.get('sightings')!,
    trapPort: Number(query.get('trap')),
  };
};

export class OutsideWorld {
  readonly #settings: Settings;

  /** `others`: where names lead of which nothing was said. */
  constructor(folder: string, trapPort: number, others: readonly string[]) {
    this.#settings = {
      namesFile: join(folder, 'names.json'),
      sightingsFile: join(folder, 'sightings.jsonl'),
      trapPort,
    };
    this.lead({ names: {}, others });
  }

  lead(answers: Answers): void {
    writeFileSync(this.#settings.namesFile, JSON.stringify(answers));
  }

  /** The option of Node with which a broker lives in it. */
  get option(): string {
    const { namesFile, sightingsFile, trapPort } = this.#settings;
    const query = new URLSearchParams({ names: namesFile, sightings: sightingsFile, trap: String(trapPort) });
    return `--import=${HOOK}?${query}`;
  }

  get sightings(): Sighting[] {
    const { sightingsFile } = this.#settings;
    if (!existsSync(sightingsFile)) return [];
    const lines = readFileSync(sightingsFile, 'utf8').split('\n');
    return lines.filter(line => line !== '').map(line => JSON.parse(line) as Sighting);
  }
}

/** The environment in which the image runs the broker. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const DOCKERFILE = resolve(import.meta.dirname, '../Dockerfile');

/** What bounds its memory, for a broker that is to take as much as in the image. */
export const memorySettings = (): {
  NODE_OPTIONS: string;
  MALLOC_ARENA_MAX: string;
  MALLOC_MMAP_THRESHOLD_: string;
} => {
  const text = readFileSync(DOCKERFILE, 'utf8');
  const value = (name: string): string => {
    const found = new RegExp(`^ENV .*\\b${name}=(?:"([^"]*)"|(\\S+))`, 'm').exec(text);
    if (found === null) throw new Error(`the Dockerfile does not set ${name}`);
    return (found[1] ?? found[2])!;
  };
  return {
    NODE_OPTIONS: value('NODE_OPTIONS'),
    MALLOC_ARENA_MAX: value('MALLOC_ARENA_MAX'),
    MALLOC_MMAP_THRESHOLD_: value('MALLOC_MMAP_THRESHOLD_'),
  };
};

/** Finds the member that an object has twice; only called when there is one, so it may take its time. */

interface Level {
  /** Names seen so far; null in a list. */
  readonly names: Set<string> | null;
  /** Name or index of what is being read. */
  at: string | number;
}

const escapePointer = (part: string | number): string => String(part).replaceAll('~', '~0').replaceAll('/', '~1');

/** JSON pointer to the second one of two equal members, null where there is none. The text must be valid JSON. */
export const duplicateMember = (bytes: Buffer): string | null => {
  const levels: Level[] = [];
  let string = '';
  for (let i = 0; i < bytes.length; i++) {
    const level = levels.at(-1);
    switch (String.fromCharCode(bytes[i]!)) {
      case '"': {
        const start = i;
        for (i++; bytes[i] !== 0x22; i++) if (bytes[i] === 0x5c) i++;
        string = bytes.toString('utf8', start, i + 1);
        break;
      }
      case ':':
        level!.at = JSON.parse(string) as string;
        if (level!.names!.has(level!.at)) return levels.map(({ at }) => `/${escapePointer(at)}`).join('');
        level!.names!.add(level!.at);
        break;
      case '{':
        levels.push({ names: new Set(), at: '' });
        break;
      case '[':
        levels.push({ names: null, at: 0 });
        break;
      case ',':
        if (typeof level!.at === 'number') level!.at++;
        break;
      case '}':
      case ']':
        levels.pop();
        break;
    }
  }
  return null;
};

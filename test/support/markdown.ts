/** Pages of Markdown as a forge reads them: blocks of code, headings with their anchors, links. */

export interface Block {
  /** As the fence says it; '' where it says nothing. */
  readonly language: string;
  readonly text: string;
  /** Of the opening fence, from 1. */
  readonly line: number;
  /** The last line of text before it; '' directly below another block. */
  readonly above: string;
}

/** Fenced blocks, also indented ones in lists, in their order. Throws where one is not closed. */
export const blocksOf = (page: string): Block[] => {
  const blocks: Block[] = [];
  let above = '';
  let open: { language: string; indent: number; line: number; lines: string[] } | null = null;
  for (const [index, line] of page.split('\n').entries()) {
    const fence = /^( *)```(\w*) *$/.exec(line);
    if (open !== null) {
      if (fence === null || fence[2] !== '') {
        open.lines.push(line.slice(Math.min(open.indent, /^ */.exec(line)![0].length)));
        continue;
      }
      blocks.push({ language: open.language, text: `${open.lines.join('\n')}\n`, line: open.line, above });
      above = '';
      open = null;
    } else if (fence !== null) {
      open = { language: fence[2]!, indent: fence[1]!.length, line: index + 1, lines: [] };
    } else if (line.trim() !== '') above = line.trim();
  }
  if (open !== null) throw new Error(`The block in line ${open.line} is not closed`);
  return blocks;
};

/** Without its blocks of code, fenced and indented ones: what looks like a heading or a link there is none. */
const prose = (page: string): string =>
  page.replaceAll(/^( *)```\w*[^`\n]*\n[\s\S]*?^ *``` *$/gm, '').replaceAll(/(?<=\n\n)(?: {4}.*\n)+/g, '');

/** What a reader sees of a heading. */
const plain = (heading: string): string =>
  heading
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/`([^`]*)`/g, '$1')
    .replaceAll(/\*+/g, '')
    .replaceAll(/<[^>]*>/g, '');

/**
 * Where `#…` can lead to. Forges agree on this much: small letters, no punctuation, blanks as hyphens, a number on the
 * second of a name. Some draw hyphens together, so anchors that then differ are left out.
 */
export const anchorsOf = (page: string): Set<string> => {
  const anchors = new Set([...page.matchAll(/<a (?:id|name)="([^"]+)">/g)].map(match => match[1]!));
  const met = new Map<string, number>();
  for (const [, heading] of prose(page).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const name = plain(heading!)
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
      .replaceAll(' ', '-');
    const times = met.get(name) ?? 0;
    met.set(name, times + 1);
    if (!name.includes('--')) anchors.add(times === 0 ? name : `${name}-${times}`);
  }
  return anchors;
};

/** Links and pictures that lead into the repository: a path, perhaps '', and an anchor. */
export const linksOf = (page: string): { path: string; anchor: string | undefined }[] =>
  [...prose(page).matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].map(([, path, anchor]) => ({
    path: path!,
    anchor,
  }));

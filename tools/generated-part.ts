/** Pages that are written by hand, but for a part between two marks. */

/** The page with that part as it is now. Throws where a mark is missing. */
export const withPart = (page: string, name: string, part: string): string => {
  const begin = new RegExp(`<!-- ${name}: made by [^>]* -->\n`).exec(page);
  const end = `<!-- ${name}: end -->`;
  const at = page.indexOf(end);
  if (begin === null || at < begin.index) throw new Error(`The page lacks the marks of its part "${name}"`);
  return `${page.slice(0, begin.index + begin[0].length)}${part}\n${page.slice(at)}`;
};

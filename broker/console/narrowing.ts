/** Long lists of names: a part of a name to look for, and no more rows than somebody reads. */
import { figure } from './clock-words.ts';
import { type Html, html } from './html.ts';

const MAX_ROWS = 200;

/** The first that have the text in their name; and a remark where there are more. */
export const narrowed = <T>(
  items: readonly T[],
  nameOf: (item: T) => string,
  text: string,
): { shown: T[]; remark: Html | null } => {
  const fitting = items.filter(item => nameOf(item).includes(text));
  const more = fitting.length - MAX_ROWS;
  const remark =
    more > 0
      ? html`<p class="quiet">The first ${figure(MAX_ROWS)} of ${figure(fitting.length)}: write a part of the name to see others.</p>`
      : null;
  return { shown: fitting.slice(0, MAX_ROWS), remark };
};

export const findForm = (
  path: string,
  label: string,
  text: string,
): Html => html`<form class="find" action="${path}" role="search" aria-label="${label}">
<label><span>${label}</span> <input name="name" value="${text}" maxlength="249" autocomplete="off" spellcheck="false"></label> <button class="act">Show</button></form>`;

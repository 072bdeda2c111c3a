/**
 * Pages are written as html`…`. Whatever stands in a hole is text and is escaped, unless a template made it: this is
 * the one place that keeps what others wrote from becoming part of a page.
 */

let make: (text: string) => Html;

/** What a template made. Nobody else can make one. */
export class Html {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }

  /** Null of anything that no template made, whatever it claims to be. */
  static textOf(value: unknown): string | null {
    return typeof value === 'object' && value !== null && #text in value ? value.#text : null;
  }

  static {
    make = text => new Html(text);
  }
}

/** What a hole takes; null, undefined and false show nothing, lists are put one after another. */
export type Fragment = Html | string | number | null | undefined | false | readonly Fragment[];

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Characters that show nothing, or turn the text around them: control characters, marks of direction, lone halves. */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu;

const numbered = (character: string): string =>
  `\\u{${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}}`;

const escaped = (text: string): string => text.replace(/[&<>"']/g, character => ESCAPES[character]!);

/** As text: what cannot be seen is shown by its number. */
const asText = (text: string): string => escaped(text.replace(UNSEEN, numbered));

/** As the value of an attribute, which goes back to the broker in forms and links: unchanged, but for NUL. */
const asValue = (text: string): string => escaped(text.toWellFormed().replaceAll('\0', '\u{fffd}'));

/** Attributes whose value is called or followed. A hole at their beginning must lead to a path of this broker. */
const ADDRESSES = /^(?:href|src|action|formaction|sse-connect|hx-(?:get|post|put|patch|delete|push-url|replace-url))$/;
/** Attributes that browsers or htmx run. */
const RUN = /^(?:on.*|hx-on.*|hx-vals|hx-vars|hx-headers|hx-request|hx-trigger|style|srcdoc)$/;
const OWN_PATH = /^\/(?![/\\])/;

type Place = 'text' | 'value' | 'address';

/** Where the hole is that comes after so much of the template. Throws where nothing from outside may stand. */
const placeAfter = (before: string): Place => {
  const tagBegins = before.lastIndexOf('<');
  if (tagBegins < 0) return 'text';
  const inTag = before.slice(tagBegins).replace(/"[^"]*"/g, '""');
  if (inTag.includes('>')) {
    if (/<(?:script|style)\b[^>]*>$/.test(inTag)) throw new Error(`no hole may stand in a script or style: ${inTag}`);
    return 'text';
  }
  const attribute = /\s([a-z][a-z0-9:-]*)="([^"]*)$/i.exec(inTag);
  if (attribute === null) throw new Error(`a hole of a tag must stand in the quotes of an attribute: ${inTag}`);
  const [, name, begun] = attribute as unknown as [string, string, string];
  if (RUN.test(name.toLowerCase())) throw new Error(`nothing may be put into ${name}: ${inTag}`);
  return ADDRESSES.test(name.toLowerCase()) && begun === '' ? 'address' : 'value';
};

const places = new WeakMap<TemplateStringsArray, Place[]>();

const placesOf = (strings: TemplateStringsArray): Place[] => {
  const known = places.get(strings);
  if (known !== undefined) return known;
  let before = '';
  const found = strings.slice(0, -1).map(part => {
    before += part;
    const place = placeAfter(before);
    before += place === 'text' ? '' : '.';
    return place;
  });
  places.set(strings, found);
  return found;
};

const inText = (fragment: Fragment): string => {
  const made = Html.textOf(fragment);
  if (made !== null) return made;
  if (Array.isArray(fragment)) return fragment.map(inText).join('');
  if (fragment === null || fragment === undefined || fragment === false) return '';
  return asText(String(fragment));
};

const inValue = (fragment: Fragment, place: Place): string => {
  if (Html.textOf(fragment) !== null || Array.isArray(fragment))
    throw new Error('an attribute takes text, not a template');
  const text = fragment === null || fragment === undefined || fragment === false ? '' : String(fragment);
  return place === 'address' && !OWN_PATH.test(text) ? '#' : asValue(text);
};

/**
 * Throws where a hole is at a place where nothing from outside may stand: in a tag's name, outside of double quotes, in
 * what browsers run. Addresses that do not begin with a path become `#`.
 */
export const html = (strings: TemplateStringsArray, ...holes: Fragment[]): Html => {
  const at = placesOf(strings);
  let text = strings[0]!;
  for (const [i, hole] of holes.entries()) {
    text += (at[i] === 'text' ? inText(hole) : inValue(hole, at[i]!)) + strings[i + 1]!;
  }
  return make(text);
};

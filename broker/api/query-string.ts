/** Query strings, strictly: what is given twice or is not percent-encoded UTF-8 has no value that a schema takes. */

const NONE: Readonly<Record<string, unknown>> = Object.freeze(Object.create(null));

const decode = (text: string): string | null => {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
};

/** Name → value; null where the encoding is broken, a list where the name comes more than once. */
export const parseQueryString = (text: string): Record<string, unknown> => {
  if (text === '') return NONE;
  const parameters: Record<string, unknown> = Object.create(null);
  for (const part of text.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const written = equals < 0 ? part : part.slice(0, equals);
    const name = decode(written) ?? written;
    const value = equals < 0 ? '' : decode(part.slice(equals + 1));
    parameters[name] = name in parameters ? [parameters[name], value] : value;
  }
  return parameters;
};

/** What the validator found, in sentences for people. */
import type { FastifySchemaValidationError } from 'fastify';
import type { Fault } from './problem.ts';

/** The validator's own options: nothing is coerced, dropped or filled in, and the first fault ends the search. */
export const VALIDATOR_OPTIONS = {
  coerceTypes: false,
  removeAdditional: false,
  useDefaults: false,
  allErrors: false,
  verbose: true,
  allowUnionTypes: true,
} as const;

/** What the validator adds in verbose mode. */
type Finding = FastifySchemaValidationError & {
  readonly propertyName?: string;
  readonly parentSchema?: { readonly description?: string };
};

const TYPE_NAMES: Record<string, string> = {
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null',
};

const typeNames = (types: unknown): string =>
  [types as string | string[]]
    .flat()
    .map(name => TYPE_NAMES[name])
    .join(' or ');

const escapePointer = (part: unknown): string => String(part).replaceAll('~', '~0').replaceAll('/', '~1');

/** The finding that tells most: of the branches of a choice that failed, the one that came farthest. */
const mostTelling = (findings: readonly Finding[]): Finding => {
  const last = findings.at(-1)!;
  const deeper = findings.find(finding => finding.instancePath.length > last.instancePath.length);
  if (last.keyword === 'anyOf') return deeper ?? last;
  return last.keyword === 'propertyNames' ? findings[0]! : last;
};

const pointerOf = ({ instancePath, keyword, params, propertyName }: Finding): string => {
  if (propertyName !== undefined) return `${instancePath}/${escapePointer(propertyName)}`;
  if (keyword === 'required') return `${instancePath}/${escapePointer(params.missingProperty)}`;
  if (keyword === 'additionalProperties') return `${instancePath}/${escapePointer(params.additionalProperty)}`;
  return instancePath;
};

const sentenceOf = ({ keyword, params, parentSchema, propertyName, message }: Finding): string => {
  const description = parentSchema?.description;
  if (propertyName !== undefined) return `must be ${description}`;
  const limit = Number(params.limit);
  switch (keyword) {
    case 'required':
      return 'must be there';
    case 'additionalProperties':
      return 'is not known here: leave it out';
    case 'enum':
      return `must be one of ${(params.allowedValues as unknown[]).map(String).join(', ')}`;
    case 'minItems':
    case 'minProperties':
      return `must have at least ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
    case 'maxItems':
    case 'maxProperties':
      return `must have at most ${limit} entries`;
    case 'minimum':
      return `must be at least ${limit}`;
    case 'maximum':
      return `must be at most ${limit}`;
    case 'type':
      if (description === undefined) return `must be ${typeNames(params.type)}`;
      return `must be ${description}`;
    default:
      return description === undefined ? (message ?? 'is not valid') : `must be ${description}`;
  }
};

/** Where a part of the request is pointed at: the body by itself, everything else by its name. */
const PARTS: Record<string, { readonly prefix: string; readonly whole: string; readonly name: string }> = {
  body: { prefix: '', whole: 'The body', name: '' },
  querystring: { prefix: '/query', whole: 'The query', name: 'Query parameter ' },
  params: { prefix: '/path', whole: 'The path', name: 'The part of the path ' },
};

/** The first fault that the validator found in a part of the request (`body`, `querystring`, `params`). */
export const validationFault = (findings: readonly FastifySchemaValidationError[], part: string): Fault => {
  const finding = mostTelling(findings as readonly Finding[]);
  const { prefix, whole, name } = PARTS[part] ?? PARTS.body!;
  const pointer = pointerOf(finding);
  // A parameter that is not one string came twice, or in bytes that are no text.
  const isOddParameter = part === 'querystring' && finding.keyword === 'type' && pointer !== '';
  const detail = isOddParameter ? 'must be given once, as percent-encoded UTF-8' : sentenceOf(finding);
  const subject = pointer === '' ? whole : name === '' ? pointer : name + pointer.slice(1);
  return {
    code: 'VALIDATION_FAILED',
    detail: `${subject} ${detail}.`,
    errors: [{ pointer: prefix + pointer, detail }],
  };
};

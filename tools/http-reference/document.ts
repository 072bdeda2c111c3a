/** As much of an OpenAPI document as the page of the HTTP interface is made of. */

export interface Shape {
  $ref?: string;
  type?: string | string[];
  enum?: (string | null)[];
  const?: unknown;
  format?: string;
  contentEncoding?: string;
  description?: string;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  maxProperties?: number;
  items?: Shape;
  properties?: Record<string, Shape>;
  required?: string[];
  additionalProperties?: boolean | Shape;
  propertyNames?: Shape;
  anyOf?: Shape[];
  allOf?: Shape[];
}

interface Media {
  schema: Shape;
  examples?: Record<string, { value: unknown }>;
  example?: unknown;
}

export interface Parameter {
  name: string;
  in: 'query' | 'path';
  required?: boolean;
  description?: string;
  schema: Shape;
}

export interface Answer {
  description: string;
  headers?: Record<string, { description?: string }>;
  content?: Record<string, Media>;
}

export interface Operation {
  operationId: string;
  summary: string;
  description?: string;
  tags?: string[];
  'x-right': string;
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: Record<string, Media> };
  responses: Record<string, Answer>;
}

export interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Shape> };
}

/** One call of the interface. */
export interface Call {
  method: string;
  path: string;
  operation: Operation;
}

export const callsOf = ({ paths }: Document): Call[] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );

export const PROBLEM = 'application/problem+json';

/** The error codes that a call may be answered with, in the order of their status. */
export const codesOf = ({ responses }: Operation): string[] =>
  Object.values(responses)
    .flatMap(({ content }) => content?.[PROBLEM]?.schema.allOf?.[1]?.properties?.code?.enum ?? [])
    .filter(code => code !== null);

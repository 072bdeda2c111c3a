/** The OpenAPI document, made from the routes themselves, and the page that shows it. */
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyPluginAsync, FastifySchema, RouteOptions } from 'fastify';
import { ERRORS, type ErrorCode } from '../protocol/errors.ts';
import { ProblemSchema } from './answer-schemas.ts';
import { PROBLEM_TYPE } from './problem.ts';

/** What every call may be answered with. */
const COMMON: readonly ErrorCode[] = [
  'VALIDATION_FAILED',
  'METHOD_NOT_ALLOWED',
  'REQUEST_TIMEOUT',
  'TOO_MANY_REQUESTS',
  'HEADERS_TOO_LARGE',
  'INTERNAL',
];
const WITH_KEY: readonly ErrorCode[] = ['UNAUTHENTICATED', 'FORBIDDEN'];
const WITH_BODY: readonly ErrorCode[] = ['BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'];
const BELOW_V1: readonly ErrorCode[] = ['OVERLOADED', 'SHUTTING_DOWN'];
const WRITING: readonly ErrorCode[] = ['STORAGE_FULL'];

const CANONICAL_BASE64 = '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$';

const UI_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Json = Record<string, unknown>;

const codesOf = ({ url, config, schema }: RouteOptions): ErrorCode[] => [
  ...COMMON,
  ...(config?.right === 'public' ? [] : WITH_KEY),
  ...(schema?.body === undefined ? [] : WITH_BODY),
  ...(url.startsWith('/v1/') ? BELOW_V1 : []),
  ...(config?.writes === true ? WRITING : []),
  ...(config?.problems ?? []),
];

/** One response for each status that the codes have, with the codes it can carry. */
const problemResponses = (codes: readonly ErrorCode[]): Json => {
  const byStatus = Object.groupBy(codes, code => ERRORS[code].status);
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, group = []]) => {
      const schema = {
        allOf: [ProblemSchema, { type: 'object', properties: { code: { type: 'string', enum: group } } }],
      };
      const description = group.map(code => `\`${code}\`: ${ERRORS[code].title}.`).join(' ');
      return [status, { description, content: { [PROBLEM_TYPE]: { schema } } }];
    }),
  );
};

/** A response with its description and headers outside of its schema, where the document wants them. */
const describedResponse = (response: Json): Json => {
  // The plug-in knows that one of type null has no body.
  if (response.content !== undefined || response.type === 'null') return response;
  const { description, headers, ...schema } = response;
  return { description, ...(headers === undefined ? {} : { headers }), content: { 'application/json': { schema } } };
};

const documentedSchema = (schema: FastifySchema, route: RouteOptions): FastifySchema => {
  const answers = Object.entries((schema.response ?? {}) as Record<string, Json>);
  const problems = problemResponses(codesOf(route));
  const response: Json = { ...problems };
  for (const [status, answer] of answers) {
    const described = describedResponse(answer);
    const problem = problems[status] as Json | undefined;
    response[status] =
      problem === undefined
        ? described
        : {
            ...described,
            description: `${described.description} Or ${problem.description}`,
            content: { ...(described.content as Json), ...(problem.content as Json) },
          };
  }
  return { ...schema, response };
};

/**
 * Puts every schema that has a title among the components and a reference in its place, and says of base64 what the
 * validator does not look at because the decoder does.
 */
const withComponents = (node: unknown, components: Json): unknown => {
  if (Array.isArray(node)) return node.map(item => withComponents(item, components));
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).map(([name, value]) => [name, withComponents(value, components)] as const);
  const schema: Json = Object.fromEntries(entries);
  if (schema.format === 'byte') return { type: 'string', contentEncoding: 'base64', pattern: CANONICAL_BASE64 };
  if (typeof schema.title !== 'string' || typeof schema.type !== 'string') return schema;
  const { title, ...component } = schema;
  components[title as string] ??= component;
  return { $ref: `#/components/schemas/${title}` };
};

interface OpenApiDocument {
  components?: { schemas?: Json };
  paths?: Record<string, Record<string, { requestBody?: { required?: boolean } }>>;
}

/** `withoutBody`: calls whose body may be left out, as `post /path`. */
const finish = (document: OpenApiDocument, withoutBody: ReadonlySet<string>): Json => {
  for (const [path, methods] of Object.entries(document.paths ?? {})) {
    for (const [method, { requestBody }] of Object.entries(methods)) {
      if (requestBody !== undefined && withoutBody.has(`${method} ${path}`)) requestBody.required = false;
    }
  }
  const schemas: Json = {};
  const paths = withComponents(document.paths, schemas);
  return { ...document, paths, components: { ...document.components, schemas } };
};

const documentPath = (url: string): string => url.replace(/:(\w+)/g, '{$1}');

/** Of the plug-in that makes the document. */
export const documentOptions = (): FastifyDynamicSwaggerOptions => {
  const withoutBody = new Set<string>();
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'escrowmq',
        version: '1',
        description: 'Transactional messages for Kafka. Requests are strict, answers are open.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      // A broker bound to loopback may run without keys.
      security: [{ key: [] }, {}],
    },
    transform: ({ schema, url, route }) => {
      if (route.config?.bodyIsOptional) withoutBody.add(`${String(route.method).toLowerCase()} ${documentPath(url)}`);
      // Members that begin with x- are passed on: which right a call asks for has no place of its own in OpenAPI.
      return {
        schema: { ...documentedSchema(schema ?? {}, route), 'x-right': route.config?.right } as FastifySchema,
        url,
      };
    },
    transformObject: found =>
      'openapiObject' in found ? finish(found.openapiObject as OpenApiDocument, withoutBody) : {},
  };
};

export const openApiRoutes: FastifyPluginAsync = async app => {
  let text: string | undefined;
  app.get(
    '/openapi.json',
    {
      config: { right: 'viewer' },
      serializerCompiler: () => JSON.stringify,
      schema: {
        tags: ['health'],
        operationId: 'openapi',
        summary: 'This document',
        response: { 200: { type: 'object', description: 'OpenAPI 3.1.' } },
      },
    },
    async (_request, reply) => {
      text ??= JSON.stringify(app.swagger());
      return reply.type('application/json; charset=utf-8').send(text);
    },
  );

  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: UI_POLICY, uiConfig: { validatorUrl: null } });
};

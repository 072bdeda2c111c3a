/**
 * Every refusal a client can meet: one entry a code. `docs/errors.md`, the OpenAPI document and this table are held
 * equal by `test/contract/errors.test.ts`, both ways.
 */
interface ErrorEntry {
  /** HTTP status. */
  readonly status: number;
  /** One line that names the kind of problem; the same for every occurrence. */
  readonly title: string;
  /** Whether the very same call can succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What the caller should do. */
  readonly advice: string;
}

const entry = (status: number, title: string, retryable: boolean, advice: string): ErrorEntry => ({
  status,
  title,
  retryable,
  advice,
});

/** By code: status, title, whether repeating can help, and what to do. */
export const ERRORS = {
  VALIDATION_FAILED: entry(
    400,
    'The request is not valid',
    false,
    'Read `errors`: each entry points at a member and says what to change. Nothing was changed.',
  ),
  UNAUTHENTICATED: entry(
    401,
    'A valid key is needed',
    false,
    'Send `Authorization: Bearer <key>` with a key that this broker knows.',
  ),
  FORBIDDEN: entry(
    403,
    'The caller may not do that',
    false,
    'Use a key whose role allows the call. A broker without keys wants to be called from its own machine, by a loopback address, and by no web page of another site.',
  ),
  TOPIC_NOT_ALLOWED: entry(
    403,
    'The topic is outside the group’s allow-list',
    false,
    'Have an operator add the topic to the producer group’s `topics`, or send to another topic.',
  ),
  TRANSACTION_NOT_FOUND: entry(
    404,
    'No such transaction',
    false,
    'Check the id. An unknown id is never a verdict: the transaction may have been purged after retention, or never have reached this broker.',
  ),
  PRODUCER_GROUP_NOT_FOUND: entry(
    404,
    'No such producer group',
    false,
    'Create the group with `PUT /v1/producer-groups/{group}` first.',
  ),
  KEY_NOT_FOUND: entry(404, 'No such key', false, 'Look at the prefixes in `GET /v1/keys`.'),
  MESSAGE_NOT_FOUND: entry(404, 'No such message', false, 'A message id is `{transactionId}.{index}`.'),
  NOT_FOUND: entry(404, 'No such resource', false, 'See `/docs` for the calls that exist.'),
  METHOD_NOT_ALLOWED: entry(405, 'The method is not allowed here', false, 'Use a method named in the `Allow` header.'),
  ALREADY_COMMITTED: entry(
    409,
    'The transaction is committed',
    false,
    'The resolution stands and will never change. `state` says what it is.',
  ),
  ALREADY_ROLLED_BACK: entry(
    409,
    'The transaction is rolled back',
    false,
    'The resolution stands and will never change. If the local transaction did commit, two systems disagree: tell a person.',
  ),
  EXISTS_WITH_DIFFERENT_CONTENT: entry(
    409,
    'The id exists with other content',
    false,
    'An id names one content for ever. Use a new id for a new transaction.',
  ),
  ID_TAKEN: entry(409, 'The id is taken', false, 'Use another id; ids are unique across all groups of the broker.'),
  NOT_PARKED: entry(409, 'The message is not parked', false, 'Only a parked message can be retried or discarded.'),
  NO_CHECK_URL: entry(
    409,
    'The group has no check address',
    false,
    'Set `checkUrl` on the producer group, or commit or roll back by hand with a reason.',
  ),
  TOO_MANY_KEYS: entry(
    409,
    'Too many active keys',
    false,
    'Revoke a key that is not used any more; a producer group has at most two, the old one and the new one.',
  ),
  OPERATOR_KEY_NEEDED: entry(
    409,
    'An operator key must come first',
    false,
    'The first key closes a broker that runs without keys: make one of role `operator`, then the others with it.',
  ),
  BACKUP_RUNNING: entry(
    409,
    'A backup is running',
    true,
    'Wait until the other one has arrived, or end it: its place is free when its connection is closed.',
  ),
  BODY_TOO_LARGE: entry(
    413,
    'Too large',
    false,
    'Send less: `limitBytes` is the limit that was passed. Store large content elsewhere and send a reference.',
  ),
  UNSUPPORTED_MEDIA_TYPE: entry(
    415,
    'The media type is not supported',
    false,
    'Send `Content-Type: application/json`.',
  ),
  TOPIC_NOT_FOUND: entry(
    422,
    'The topic does not exist in Kafka',
    false,
    'Create the topic in Kafka, or correct the name. The broker asked Kafka less than a second ago.',
  ),
  PARTITION_NOT_FOUND: entry(
    422,
    'The topic has no such partition',
    false,
    'Leave `partition` out, or name one that exists.',
  ),
  CHECK_ADDRESS_NOT_ALLOWED: entry(
    422,
    'The check address is not on the broker’s allow-list',
    false,
    'Start the broker with `--check-allow` naming the host or network, or use an address that is allowed.',
  ),
  HEADERS_TOO_LARGE: entry(431, 'The request headers are too large', false, 'Send fewer or shorter HTTP headers.'),
  REQUEST_TIMEOUT: entry(408, 'The request took too long to arrive', true, 'Send the whole request without pauses.'),
  TOO_MANY_REQUESTS: entry(
    429,
    'Too many requests',
    true,
    'Wait for `Retry-After` seconds, then repeat the same call.',
  ),
  INTERNAL: entry(
    500,
    'The broker failed',
    true,
    'Nothing is known about this call: repeat it with the same id. Tell the operator if it happens again.',
  ),
  OVERLOADED: entry(
    503,
    'The broker is overloaded',
    true,
    'Wait for `Retry-After` seconds, then repeat the same call.',
  ),
  SHUTTING_DOWN: entry(
    503,
    'The broker is stopping or starting',
    true,
    'Wait for `Retry-After` seconds, then repeat the same call.',
  ),
  STORAGE_FULL: entry(
    507,
    'The broker’s disk is full',
    true,
    'The operator must free disk space. What was acknowledged is kept; repeat the call later.',
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** The anchor of a code in the error documentation: `ALREADY_COMMITTED` → `already-committed`. */
export const errorAnchor = (code: string): string => code.toLowerCase().replaceAll('_', '-');

/** RFC 9457 problem, `application/problem+json`. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance?: string;
  code: ErrorCode;
  retryable: boolean;
  /** The standing state, with a refused resolution. */
  state?: 'prepared' | 'committed' | 'rolled_back';
  /** Where in the request the fault is, as JSON pointers. */
  errors?: { pointer: string; detail: string }[];
  /** With 413. */
  limitBytes?: number;
  /** With 429, 503 and 507; single calls carry the `Retry-After` header too. */
  retryAfterMs?: number;
}

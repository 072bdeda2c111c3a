/** Which of kafkajs's errors will not go away by trying again. Its own flags do not tell. */

/** Answers of Kafka that say: not with these settings, not this user. */
const TYPES = new Set<unknown>([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'INVALID_GROUP_ID',
  'INVALID_SESSION_TIMEOUT',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_TOPIC_EXCEPTION',
  'UNSUPPORTED_VERSION',
]);
const NAMES = new Set<unknown>([
  'KafkaJSSASLAuthenticationError',
  'KafkaJSNotImplemented',
  'KafkaJSServerDoesNotSupportApiKey',
]);
/** Deeper than kafkajs wraps. */
const DEPTH = 8;

export const isRefusal = (error: unknown, depth = 0): boolean => {
  if (typeof error !== 'object' || error === null || depth > DEPTH) return false;
  const { type, name, cause } = error as { type?: unknown; name?: unknown; cause?: unknown };
  return TYPES.has(type) || NAMES.has(name) || isRefusal(cause, depth + 1);
};

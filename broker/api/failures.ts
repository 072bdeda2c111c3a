/** Whatever was thrown on a request's way → a fault. Only what nobody foresaw is a 500, and is logged. */
import { StorageFullError } from '../store/store.ts';
import { ApiError, type Fault } from './problem.ts';

/** What the framework throws carries a code and a status. */
interface Thrown {
  readonly code?: string;
  readonly statusCode?: number;
}

const INTERNAL: Fault = {
  code: 'INTERNAL',
  detail: 'Something in the broker failed. Nothing is known about this call; the broker’s log says more.',
};

const STORAGE_FULL: Fault = {
  code: 'STORAGE_FULL',
  detail: 'There is no room on the broker’s disk. What was acknowledged before is kept; repeat the whole call later.',
};

export const faultOf = (error: unknown, maxBodyBytes: number): Fault => {
  if (error instanceof ApiError) return error.fault;
  if (error instanceof StorageFullError) return STORAGE_FULL;
  const { code, statusCode } = (error ?? {}) as Thrown;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return {
        code: 'BODY_TOO_LARGE',
        detail: `The body has more than ${maxBodyBytes} bytes.`,
        limitBytes: maxBodyBytes,
      };
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { code: 'UNSUPPORTED_MEDIA_TYPE', detail: 'The body must be sent as Content-Type: application/json.' };
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return { code: 'VALIDATION_FAILED', detail: 'The body is not as long as Content-Length says.' };
    case 'FST_ERR_BAD_URL':
      return { code: 'VALIDATION_FAILED', detail: 'The path is not percent-encoded UTF-8.' };
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return { code: 'VALIDATION_FAILED', detail: 'A part of the path is too long.' };
  }
  // A client that went away in the middle of its body: nobody reads the answer, and it is no failure of the broker.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { code: 'VALIDATION_FAILED', detail: 'The request did not arrive whole.' };
  }
  return INTERNAL;
};

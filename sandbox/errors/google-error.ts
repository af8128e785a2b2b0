/** The canonical codes that Google's APIs answer with, and their HTTP numbers (google.rpc.Code). */
export const HTTP_CODES = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
} as const;

export type Status = keyof typeof HTTP_CODES;

/** `reason` of the older APIs (BigQuery, Cloud Storage) where a service does not say another. */
const REASONS: Record<Status, string> = {
  INVALID_ARGUMENT: 'invalid',
  FAILED_PRECONDITION: 'failedPrecondition',
  UNAUTHENTICATED: 'authError',
  PERMISSION_DENIED: 'accessDenied',
  NOT_FOUND: 'notFound',
  ALREADY_EXISTS: 'duplicate',
  ABORTED: 'aborted',
  RESOURCE_EXHAUSTED: 'quotaExceeded',
  INTERNAL: 'internalError',
  UNIMPLEMENTED: 'notImplemented',
  UNAVAILABLE: 'backendError',
};

/** An answer in Google's error shape. The message never carries a value of a row or a key. */
export class GoogleError extends Error {
  readonly status: Status;
  readonly reason: string;
  readonly location: string | undefined;
  readonly code: number;

  /** `code` where a service answers with another HTTP status than the canonical one (412, say). */
  constructor(
    status: Status,
    message: string,
    options: { reason?: string; location?: string; code?: number } = {},
  ) {
    super(message);
    this.name = 'GoogleError';
    this.status = status;
    this.reason = options.reason ?? REASONS[status];
    this.location = options.location;
    this.code = options.code ?? HTTP_CODES[status];
  }

  /** Headers that go along with the error. */
  get headers(): Record<string, string> {
    return {};
  }

  /** BigQuery's ErrorProto, as it stands in a job's status. */
  toProto(): { reason: string; location?: string; message: string } {
    return {
      reason: this.reason,
      ...(this.location === undefined ? {} : { location: this.location }),
      message: this.message,
    };
  }

  /** The body of a failed call: https://cloud.google.com/apis/design/errors#http_mapping */
  toJSON(): object {
    const { code, message, status, reason } = this;
    return { error: { code, message, errors: [{ message, domain: 'global', reason }], status } };
  }
}

/** A syntactically or semantically wrong query, as BigQuery reports it. */
export function invalidQuery(message: string): GoogleError {
  return new GoogleError('INVALID_ARGUMENT', message, { reason: 'invalidQuery', location: 'query' });
}

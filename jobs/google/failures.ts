import { ResealError } from '../contract/errors.ts';
import { CALLER, grantHint } from './denied.ts';

/** What a failed call of a Google API says, whichever client library and transport it went through. */
export interface GoogleFailure {
  /** A name of google.rpc.Code (`NOT_FOUND`), `UNREACHABLE` without an answer, `OTHER` for any other status. */
  readonly status: string;
  /** Google's own sentence. It names resources, never the values in them. */
  readonly message: string;
  /** BigQuery's reasons (`accessDenied`, `backendError` …); other services give none. */
  readonly reasons: readonly string[];
}

/** The members that errors of the client libraries have in common. */
interface ClientError {
  readonly code?: number | string;
  readonly message?: string;
  readonly errors?: readonly { readonly reason?: string; readonly message?: string }[];
}

/** google.rpc.Code; https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const GRPC: Readonly<Record<string, string>> = {
  3: 'INVALID_ARGUMENT',
  5: 'NOT_FOUND',
  6: 'ALREADY_EXISTS',
  7: 'PERMISSION_DENIED',
  9: 'FAILED_PRECONDITION',
  16: 'UNAUTHENTICATED',
};
/** https://cloud.google.com/apis/design/errors#handling_errors, for answers without a status of their own */
const HTTP: Readonly<Record<string, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ALREADY_EXISTS',
};
/** What Node calls a connection that did not come about or broke. */
const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT']);

/** The error object that Google's APIs answer with, as the REST transport leaves it in the message. */
function answered(message: string): { status?: string; message?: string } {
  if (!message.startsWith('{')) return {};
  try {
    return JSON.parse(message).error ?? {};
  } catch {
    return {};
  }
}

/** Reads an error of any of Google's client libraries. */
export function googleFailure(error: unknown): GoogleFailure {
  const { code = '', message = String(error), errors = [] } = error as ClientError;
  const answer = answered(message);
  const number = String(code);
  return {
    status: answer.status ?? GRPC[number] ?? HTTP[number] ?? (NETWORK.has(number) ? 'UNREACHABLE' : 'OTHER'),
    message: answer.message ?? errors[0]?.message ?? message,
    reasons: errors.flatMap(({ reason }) => reason ?? []),
  };
}

/** https://cloud.google.com/bigquery/docs/error-messages */
const PASSING = [
  'backendError',
  'internalError',
  'rateLimitExceeded',
  'jobRateLimitExceeded',
  'jobBackendError',
];

/**
 * Whether a job of BigQuery failed by something that passes. A transaction that another one overtook is rolled
 * back with the message below and may simply be run again:
 * https://cloud.google.com/bigquery/docs/transactions#transaction_concurrency
 */
export function isTransient(error: unknown): boolean {
  const { reasons, message } = googleFailure(error);
  return reasons.some((reason) => PASSING.includes(reason)) || /concurrent update/i.test(message);
}

/** What BigQuery answered to a step, as an error that says what to change. */
export function bigQueryFailure(step: string, error: unknown): ResealError {
  if (error instanceof ResealError) return error;
  const { status, message, reasons } = googleFailure(error);
  const said = `BigQuery, step ${step}: ${message}`;
  if (status === 'UNREACHABLE')
    return new ResealError('bigquery-unreachable', said, {
      hint: 'check the network, then --resume the run',
    });
  if (status === 'PERMISSION_DENIED' || reasons.includes('accessDenied'))
    return new ResealError('bigquery-denied', said, {
      hint: grantHint(message, CALLER) ?? 'docs/iam.md lists the roles each account needs',
    });
  if (status === 'NOT_FOUND' || reasons.includes('notFound'))
    return new ResealError('bigquery-missing', said, { hint: 'run `pulumi up` for this stack first' });
  if (/could not load the default credentials/i.test(said))
    return new ResealError('no-credentials', 'no Google Cloud credentials were found', {
      hint: 'run `gcloud auth application-default login`',
    });
  return new ResealError('bigquery', said);
}

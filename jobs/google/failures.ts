import { ResealError } from '../contract/errors.ts';

/** The parts of a Google client's error that tell what happened. */
export interface ApiFailure {
  readonly code?: number | string;
  readonly message?: string;
  readonly errors?: readonly { readonly reason?: string; readonly message?: string }[];
}

const reasons = (error: ApiFailure): string[] => (error.errors ?? []).map((one) => one.reason ?? '');
const text = (error: ApiFailure): string => error.errors?.[0]?.message ?? error.message ?? String(error);

/**
 * Faults that pass. https://cloud.google.com/bigquery/docs/error-messages for the reasons; a transaction
 * that another one overtook is rolled back with the message below and may simply be run again:
 * https://cloud.google.com/bigquery/docs/transactions#transaction_concurrency
 */
export function isTransient(error: ApiFailure): boolean {
  const passing = [
    'backendError',
    'internalError',
    'rateLimitExceeded',
    'jobRateLimitExceeded',
    'jobBackendError',
  ];
  return reasons(error).some((reason) => passing.includes(reason)) || /concurrent update/i.test(text(error));
}

const network = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT']);

/** What BigQuery refused, as an error that says what to change. Its messages name tables, never values. */
export function bigQueryFailure(step: string, error: unknown): ResealError {
  if (error instanceof ResealError) return error;
  const failure = error as ApiFailure;
  const message = `BigQuery, step ${step}: ${text(failure)}`;
  if (network.has(String(failure.code)))
    return new ResealError('bigquery-unreachable', message, {
      hint: 'check the network, then --resume the run',
    });
  if (failure.code === 403 || reasons(failure).includes('accessDenied'))
    return new ResealError('bigquery-denied', message, {
      hint: 'docs/iam.md lists the roles each account needs',
    });
  if (failure.code === 404 || reasons(failure).includes('notFound'))
    return new ResealError('bigquery-missing', message, { hint: 'run `pulumi up` for this stack first' });
  if (/could not load the default credentials/i.test(message))
    return new ResealError('no-credentials', 'no Google Cloud credentials were found', {
      hint: 'run `gcloud auth application-default login`',
    });
  return new ResealError('bigquery', message);
}

import {
  ABOUT_THE_QUERY,
  IN_STREAMING_BUFFER,
  LIMITS,
  OVERTAKEN,
  PASSING,
  SNAPSHOT_GONE,
} from '../contract/bigquery-reasons.ts';
import { ResealError } from '../contract/errors.ts';
import { LEDGER } from '../contract/ledger.ts';
import { MOST_PARTITIONS } from '../contract/partitioning.ts';
import { keysetColumns } from '../contract/tables.ts';
import { CALLER, grantHint } from './denied.ts';
import { projectFault } from './project-faults.ts';

/** What a failed call of a Google API says, whichever client library and transport it went through. */
export interface GoogleFailure {
  /** A name of google.rpc.Code (`NOT_FOUND`), `UNREACHABLE` without an answer, `OTHER` for any other status. */
  readonly status: string;
  /** Google's own sentence. It names resources, never the values in them. */
  readonly message: string;
  /** BigQuery's reasons (`accessDenied`, `backendError` …), and that of google.rpc.ErrorInfo (`SERVICE_DISABLED` …). */
  readonly reasons: readonly string[];
  /** ErrorInfo's metadata, the service and the project of the call for instance. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** How long the service asks its callers to wait before the next try; undefined where it does not say. */
  readonly retryAfterMs?: number;
}

/** The members that errors of the client libraries have in common. */
interface ClientError {
  readonly code?: number | string;
  readonly message?: string;
  readonly errors?: readonly { readonly reason?: string; readonly message?: string }[];
  /** Google's sentence alone, where gRPC puts the status before it in the message. */
  readonly details?: unknown;
  /** What clients of gRPC make of the details of a google.rpc.Status. */
  readonly statusDetails?: readonly { readonly retryDelay?: RetryDelay | null }[];
  /** They take ErrorInfo out of the details. */
  readonly reason?: string;
  readonly errorInfoMetadata?: Readonly<Record<string, string>>;
  /** The response's headers, as gRPC keeps them and as clients of HTTP do, which keep its body, too. */
  readonly metadata?: { get?(name: string): readonly unknown[] };
  readonly response?: {
    readonly headers?: { get?(name: string): string | null };
    readonly data?: unknown;
    readonly body?: unknown;
  };
}

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto, RetryInfo */
interface RetryDelay {
  readonly seconds?: number | string | { toString(): string } | null;
  readonly nanos?: number | null;
}

/** google.rpc.Code; https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const GRPC: Readonly<Record<string, string>> = {
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  6: 'ALREADY_EXISTS',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  10: 'ABORTED',
  13: 'INTERNAL',
  14: 'UNAVAILABLE',
  16: 'UNAUTHENTICATED',
};
/** https://cloud.google.com/apis/design/errors#handling_errors, for answers without a status of their own */
const HTTP: Readonly<Record<string, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ALREADY_EXISTS',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};
/**
 * What Node calls a connection that did not come about or broke; https://nodejs.org/api/errors.html#common-system-errors
 */
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'ENETDOWN',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EHOSTUNREACH',
]);

/** The error object that Google's HTTP APIs answer with. */
interface Answered {
  readonly status?: string;
  readonly message?: string;
  readonly errors?: readonly { readonly reason?: string }[];
  readonly details?: readonly Detail[];
}

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto, RetryInfo and ErrorInfo */
interface Detail {
  readonly '@type'?: string;
  readonly retryDelay?: string;
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The error object of an answer's body, parsed or as text. */
function errorIn(body: unknown): Answered {
  if (typeof body === 'object' && body !== null) return (body as { error?: Answered }).error ?? {};
  if (typeof body !== 'string' || !body.startsWith('{')) return {};
  try {
    return JSON.parse(body).error ?? {};
  } catch {
    return {};
  }
}

/** Where clients of HTTP keep the answer of a failed call. */
const answered = ({ response }: ClientError): Answered =>
  [response?.data, response?.body].map(errorIn).find((error) => error.message !== undefined) ?? {};

/** RetryInfo among the details, in JSON a text like `1.5s`, else the header Retry-After in seconds (RFC 9110 §10.2.3). */
function retryAfter(
  { statusDetails, metadata, response }: ClientError,
  { details }: Answered,
): number | null {
  const inJson = details?.find(({ retryDelay }) => retryDelay !== undefined)?.retryDelay;
  if (inJson !== undefined) return milliseconds(inJson.replace(/s$/, ''));
  const delay = statusDetails?.find?.(({ retryDelay }) => retryDelay)?.retryDelay;
  if (delay) return Number(delay.seconds ?? 0) * 1000 + Number(delay.nanos ?? 0) / 1e6;
  const [header] = metadata?.get?.('retry-after') ?? [];
  return milliseconds(header ?? response?.headers?.get?.('retry-after') ?? null);
}

const milliseconds = (seconds: unknown): number | null =>
  seconds === null || Number.isNaN(Number(seconds)) ? null : Number(seconds) * 1000;

/** Reads an error of any of Google's client libraries. */
export function googleFailure(error: unknown): GoogleFailure {
  const { code = '', message = String(error), errors = [], ...more } = error as ClientError;
  const answer = answered(error as ClientError);
  const number = String(code);
  const retryAfterMs = retryAfter(error as ClientError, answer);
  const info = answer.details?.find((detail) => detail['@type']?.endsWith('google.rpc.ErrorInfo'));
  const metadata = info?.metadata ?? more.errorInfoMetadata;
  const said = [...errors, ...(errors.length > 0 ? [] : (answer.errors ?? [])), info ?? more];
  return {
    status: answer.status ?? GRPC[number] ?? HTTP[number] ?? (NETWORK.has(number) ? 'UNREACHABLE' : 'OTHER'),
    message:
      answer.message ?? errors[0]?.message ?? (typeof more.details === 'string' ? more.details : message),
    reasons: said.flatMap(({ reason }) => reason ?? []),
    ...(metadata === undefined ? {} : { metadata }),
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  };
}

const says = ({ reasons }: GoogleFailure, known: readonly string[]): boolean =>
  reasons.some((reason) => known.includes(reason));

/** Whether a job of BigQuery failed by something that passes. */
export function isTransient(error: unknown): boolean {
  const failure = googleFailure(error);
  return says(failure, PASSING) || new RegExp(OVERTAKEN).test(failure.message);
}

/** Statuses of a service that fails by itself, for now. */
const FAILING = ['UNAVAILABLE', 'INTERNAL', 'DEADLINE_EXCEEDED'];

/** What AEAD functions, and Cloud KMS in their place, say of a value or a key that they cannot open. */
const ABOUT_VALUES = /\bAEAD\b|\bKEYS\.|\bkeyset\b|\bciphertext\b|decrypt/i;

/** A statement that BigQuery did not carry out for a reason that has no code of its own. */
class StatementFailure extends ResealError {
  /** Whether BigQuery computed it and met a value that it could not work with. */
  readonly aboutValues: boolean;

  constructor(said: string, { message, reasons }: GoogleFailure, hint?: string) {
    super('bigquery', said, hint === undefined ? {} : { hint });
    this.aboutValues = reasons.includes(ABOUT_THE_QUERY) || ABOUT_VALUES.test(message);
  }
}

/**
 * Whether a statement failed by the values in it. Any other failure, a limit or a cancellation, says nothing of them.
 * https://cloud.google.com/bigquery/docs/error-messages, invalidQuery
 */
export const isAboutValues = (error: unknown): boolean =>
  error instanceof StatementFailure && error.aboutValues;

/** Columns of the ledger and of the table of keysets, to which newer versions of the program add. */
const OWN_COLUMNS = [...Object.keys(LEDGER), ...keysetColumns().map(({ name }) => name)];

/** How Google's analyzer of SQL says that a table has no such column, in a query, an UPDATE or an INSERT. */
const NO_COLUMN =
  /(?:Unrecognized name: |\bName |\bColumn )`?(\w+)`?(?:$|;| at | not found | is not present )/;

/** The step of statements that a user wrote, which may name any column of any table. */
const USERS_OWN = 'sql';

/** Whether a statement of the program's did not find a column of one of the stack's own tables. */
const lacksColumn = (step: string, message: string): boolean =>
  step !== USERS_OWN && OWN_COLUMNS.includes(NO_COLUMN.exec(message)?.[1] ?? '');

/** What to do about BigQuery's reasons that have no code of their own. */
const HINTS: Readonly<Record<string, string>> = {
  stopped: 'somebody cancelled the job: `--resume RUN` goes on',
  resourcesExceeded: 'it says nothing of the values: `--resume RUN`, or take fewer at once with --limit',
  quotaExceeded: 'the message names the quota: `--resume RUN` once there is some left',
};

/** What BigQuery answered to a step, as an error that says what to change. */
export function bigQueryFailure(step: string, error: unknown): ResealError {
  if (error instanceof ResealError) return error;
  const failure = googleFailure(error);
  const fault = projectFault(failure);
  if (fault !== null) return fault;
  const { status, message, reasons } = failure;
  const said = `BigQuery, step ${step}: ${message}`;
  if (status === 'UNREACHABLE')
    return new ResealError('bigquery-unreachable', said, {
      hint: 'check the network, then `--resume RUN`',
    });
  if ((status === 'PERMISSION_DENIED' && !says(failure, LIMITS)) || reasons.includes('accessDenied'))
    return new ResealError('bigquery-denied', said, {
      hint: grantHint(message, CALLER) ?? 'docs/iam.md lists the roles each account needs',
    });
  if (status === 'NOT_FOUND' || reasons.includes('notFound'))
    return new ResealError('bigquery-missing', said, { hint: 'run `pulumi up` for this stack first' });
  if (lacksColumn(step, message))
    return new ResealError('bigquery-missing', said, {
      hint: 'an older version of the program made the table: run `pulumi up` with this version, then try again',
    });
  if (new RegExp(IN_STREAMING_BUFFER).test(message))
    return new ResealError('source-streaming', said, {
      hint: 'rows that insertAll streamed can be changed after half an hour: `--resume RUN` then',
    });
  const [, column] = /without a filter over column\(s\) '([^']+)'/.exec(message) ?? [];
  if (column !== undefined)
    return new ResealError('source-partition', said, {
      hint: `set reseal:partitionColumn to ${column}, \`pulumi up\`, then \`--resume RUN\``,
    });
  if (/^Too many partitions produced by query/.test(message))
    return new ResealError('too-many-partitions', said, {
      hint: `no run of so many can end: \`npm run reseal -- abandon\` it, and take fewer rows at a time with --limit, which goes by id (${MOST_PARTITIONS} rows are never in more partitions)`,
    });
  if (status === 'UNAUTHENTICATED')
    return new ResealError('no-credentials', said, {
      hint: 'run `gcloud auth application-default login`, then `--resume RUN`',
    });
  if (new RegExp(SNAPSHOT_GONE).test(message))
    return new ResealError('snapshot-gone', said, {
      hint: 'no run of that moment can go on: `npm run reseal -- abandon` it, and start a new one, which takes its values',
    });
  if (isTransient(error) || FAILING.includes(status))
    return new ResealError('bigquery-busy', said, {
      hint: 'it says nothing of the values, and passes: `--resume RUN` in a few minutes',
    });
  const [hint] = reasons.flatMap((reason) => HINTS[reason] ?? []);
  return new StatementFailure(said, failure, hint);
}

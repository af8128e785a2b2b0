/** What Google's generated clients throw: gRPC numbers its codes, their REST transport throws HTTP's. */
interface Failure {
  readonly code?: number | string;
  readonly message?: string;
}

/** google.rpc.Code; https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const GRPC: Readonly<Record<number, string>> = {
  3: 'INVALID_ARGUMENT',
  5: 'NOT_FOUND',
  6: 'ALREADY_EXISTS',
  7: 'PERMISSION_DENIED',
  9: 'FAILED_PRECONDITION',
  16: 'UNAUTHENTICATED',
};
/** https://cloud.google.com/apis/design/errors#handling_errors, for answers without a status of their own */
const HTTP: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ALREADY_EXISTS',
};

/** The error object that Google's APIs answer with, as the REST transport leaves it in the message. */
function answered(message: string): { status?: string; message?: string } {
  if (!message.startsWith('{')) return {};
  try {
    return JSON.parse(message).error ?? {};
  } catch {
    return {};
  }
}

/** The status's name (`NOT_FOUND`) and Google's own message. A status not named above is `OTHER`. */
export function rpcFailure(error: unknown): { status: string; message: string } {
  const { code, message = String(error) } = error as Failure;
  const answer = answered(message);
  const number = Number(code);
  return {
    status: answer.status ?? GRPC[number] ?? HTTP[number] ?? 'OTHER',
    message: answer.message ?? message,
  };
}

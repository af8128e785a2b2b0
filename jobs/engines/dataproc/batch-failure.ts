import { ResealError } from '../../contract/errors.ts';
import { CALLER, grantHint } from '../../google/denied.ts';
import { googleFailure } from '../../google/failures.ts';
import { projectFault, projectFaultIn } from '../../google/project-faults.ts';
import type { Said } from './application-lines.ts';
import type { Batch } from './batch-looks.ts';
import type { DriverOutput } from './driver-output.ts';

/**
 * Why the batch failed: in the application's own words where it gave any, else in Dataproc's. The ledger keeps the message,
 * so that the driver's last lines, which may be anything, are for the terminal alone: they stand in the hint.
 */
export function failedBatch(
  name: string,
  batch: Batch,
  account: string,
  { error }: Said,
  output: DriverOutput,
): ResealError {
  const reason = error?.message ?? batch.stateMessage ?? '';
  const fault = projectFaultIn(reason);
  if (fault !== null)
    return new ResealError(fault.code, fault.message, { hint: `${fault.hint}; batch ${name}` });
  const grant = grantHint(reason, account);
  if (error !== null)
    return new ResealError(error.code, error.message, {
      hint: [grant, `batch ${name}`].filter((part) => part !== null).join('; '),
    });
  const lines = output.lastLines().map((line) => `\n  | ${line}`);
  const tail = lines.length === 0 ? '' : `; its last lines:${lines.join('')}`;
  const uri = batch.runtimeInfo?.outputUri || 'in Cloud Logging';
  return new ResealError('batch-failed', `${name} failed: ${batch.stateMessage || 'no reason given'}`, {
    hint: `${grant === null ? '' : `${grant}; `}the whole output: ${uri}${tail}`,
  });
}

/**
 * What Dataproc answered to a call, as an error that says what to change; whatever it is once the signal is given. `hint`
 * is for what nobody can change but Dataproc.
 */
export function batchFailure(error: unknown, signal: AbortSignal, hint?: string): Error {
  if (error instanceof ResealError || signal.aborted) return error as Error;
  const failure = googleFailure(error);
  const fault = projectFault(failure);
  if (fault !== null) return fault;
  const { status, message } = failure;
  if (status === 'PERMISSION_DENIED')
    return new ResealError('batch-denied', `Dataproc: ${message}`, {
      hint:
        grantHint(message, CALLER) ??
        'the account needs roles/dataproc.serverlessEditor and serviceAccountUser on the batch account',
    });
  return new ResealError('batch', `Dataproc: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Deployment } from '../../contract/deployment.ts';
import { ResealError } from '../../contract/errors.ts';
import { batchId } from '../../contract/ids.ts';
import { unlessAborted, within } from '../../google/bounds.ts';
import { batchClient, type Endpoints, storageClient } from '../../google/clients.ts';
import { CALLER, grantHint } from '../../google/denied.ts';
import { googleFailure } from '../../google/failures.ts';
import { follow } from '../../google/follow.ts';
import { projectFault, projectFaultIn } from '../../google/project-faults.ts';
import { ANSWER_MS, batchStuck, unanswered, type WaitLimits, waitLimits } from '../../google/wait-limits.ts';
import type { Engine, StageOutcome, StageProgress } from '../engine.ts';
import { advanceOf, applicationLine, isSealed, phaseOf } from './application-lines.ts';
import { type Asking, type Batch, cancel, stateOf, TERMINAL } from './batch-looks.ts';
import { cancelBatches, findOrCreate } from './batches.ts';
import { type DriverOutput, driverOutput } from './driver-output.ts';
import { removeFiles } from './temp-files.ts';

/** The engine at scale: one batch of Serverless Dataproc, followed until it ends. */
export function dataprocEngine(
  deployment: Deployment,
  endpoints?: Endpoints,
  limits: WaitLimits = waitLimits(deployment),
): Engine {
  return {
    name: 'dataproc',
    batchId: (wave) => batchId(wave, 1),
    stage: (input, progress, signal) =>
      withBatches(signal, async (asked) => {
        const missed = (message: string) => progress({ message: `Dataproc is asked again: ${message}` });
        const asking = { ...asked, missed };
        const name = await findOrCreate(asking, deployment, input);
        const output = driverOutput(await storageClient(deployment, endpoints));
        return staged({ asking, deployment, limits }, name, output, progress);
      }),
    discard: (runId, wave, signal) =>
      withBatches(signal, async (asking) => {
        const cancelled = await cancelBatches(asking, deployment, wave);
        return {
          cancelled,
          files: await removeFiles(await storageClient(deployment, endpoints), deployment, runId),
        };
      }),
  };

  async function withBatches<T>(signal: AbortSignal, work: (asking: Asking) => Promise<T>): Promise<T> {
    const client = await batchClient(deployment, endpoints);
    const close = () => within(CLOSE_MS, client.close(), () => new Error('late')).catch(() => {});
    let left: Promise<unknown> | null = null;
    const afterwards = (work: Promise<unknown>): void => {
      left = work.catch(() => {}).then(close);
    };
    try {
      return await work({ client, signal, lookMs: limits.lookMs, missed: () => {}, afterwards });
    } catch (error) {
      throw batchFailure(error, signal);
    } finally {
      if (left === null) await close();
    }
  }
}

/** The connection is closed in good order within this time, or left to the end of the process. */
const CLOSE_MS = 1_000;

/** How long after the end of a batch its driver's output is looked at once more, where something is missing in it. */
const LAST_LOOK_MS = 1_000;

/** What the application has said of itself so far. */
interface Said {
  kmsCalls: number | null;
  phase: string;
  /** How far the phase is; null while that is not known. */
  advance: StageProgress | null;
  error: { readonly code: string; readonly message: string } | null;
}

interface Service {
  readonly asking: Asking;
  readonly deployment: Deployment;
  readonly limits: WaitLimits;
}

/** Says what is wrong with a batch that has been in a state for too long. */
function overdue({ deployment, limits }: Service, name: string): (batch: Batch) => ResealError | null {
  let [state, since] = ['', 0];
  return (batch) => {
    if (stateOf(batch) !== state) [state, since] = [stateOf(batch), performance.now()];
    const most = state === 'PENDING' ? limits.pendingMs : limits.runningMs;
    return performance.now() - since > most ? batchStuck(deployment, name, state, most) : null;
  };
}

async function staged(
  service: Service,
  name: string,
  output: DriverOutput,
  progress: (now: StageProgress) => void,
): Promise<StageOutcome> {
  const { asking, deployment, limits } = service;
  const { client, signal, missed } = asking;
  const account = `the batch's account, ${deployment.batch.serviceAccount}`;
  const said: Said = { kmsCalls: null, phase: '', advance: null, error: null };
  const id = name.split('/').at(-1) ?? '';
  const tell = (state: string): void =>
    progress(
      state === 'RUNNING' && said.advance !== null
        ? said.advance
        : { message: `batch ${id} is ${state.toLowerCase()}${said.phase}` },
    );
  /** Reads what the driver has added. What it says helps to follow the batch and to explain its failure; its work does not need it. */
  const read = async (seen: Batch): Promise<void> => {
    const reading = within(ANSWER_MS, output.lines(seen.runtimeInfo?.outputUri), unanswered);
    const lines = await reading.catch((error: unknown) => {
      progress({ message: `the driver's output cannot be read: ${googleFailure(error).message}` });
      return [];
    });
    for (const line of lines.map(applicationLine)) {
      if (line?.reseal === 'progress') {
        said.phase = `, ${phaseOf(line)}`;
        said.advance = null;
        tell('RUNNING');
      }
      if (line?.reseal === 'live') {
        said.advance = isSealed(line) ? null : advanceOf(line);
        if (isSealed(line)) said.phase = ', BigQuery loads what is sealed';
        tell('RUNNING');
      }
      if (line?.reseal === 'counts') said.kmsCalls = line.kms_calls;
      else if (line?.reseal === 'error') said.error = line;
    }
  };
  const batch = await follow<Batch>(
    {
      name,
      look: async () => (await client.getBatch({ name }))[0],
      missed,
      hasEnded: (seen) => TERMINAL.includes(stateOf(seen)),
      overdue: overdue(service, name),
      cancel: () => cancel(client, name),
    },
    async (seen) => {
      await read(seen);
      if (!TERMINAL.includes(stateOf(seen))) tell(stateOf(seen));
    },
    signal,
    limits,
  ).catch((error: unknown) => {
    throw batchFailure(
      error,
      signal,
      `batch ${id} may still be at work; go on with --resume, which takes it`,
    );
  });
  // The application's last line may have come late, or the last look at the output have failed.
  if (stateOf(batch) !== 'CANCELLED' && said.kmsCalls === null && said.error === null) {
    await sleep(LAST_LOOK_MS, undefined, { signal });
    await unlessAborted(read(batch), signal);
  }
  if (stateOf(batch) === 'CANCELLED')
    throw new ResealError('batch-cancelled', `${name} was cancelled`, { hint: 'go on with --resume' });
  if (stateOf(batch) === 'FAILED') throw failed(name, batch, account, said, output);
  const usage = batch.runtimeInfo?.approximateUsage?.milliDcuSeconds;
  return {
    kmsCalls: said.kmsCalls,
    attempt: id,
    batchId: id,
    milliDcuSeconds: usage == null ? null : Number(usage),
  };
}

/**
 * Why the batch failed: in the application's own words where it gave any, else in Dataproc's. The ledger keeps the message,
 * so that the driver's last lines, which may be anything, are for the terminal alone: they stand in the hint.
 */
function failed(
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

function batchFailure(error: unknown, signal: AbortSignal, hint?: string): Error {
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

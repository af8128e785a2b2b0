import { setTimeout as sleep } from 'node:timers/promises';
import { emailOf } from '../../contract/account-grants.ts';
import type { Deployment } from '../../contract/deployment.ts';
import { ResealError } from '../../contract/errors.ts';
import { unlessAborted, within } from '../../google/bounds.ts';
import { googleFailure } from '../../google/failures.ts';
import { follow } from '../../google/follow.ts';
import { ANSWER_MS, batchStuck, unanswered, type WaitLimits } from '../../google/wait-limits.ts';
import type { StageOutcome, StageProgress } from '../engine.ts';
import { advanceOf, applicationLine, isSealed, phaseOf, type Said } from './application-lines.ts';
import { batchFailure, failedBatch } from './batch-failure.ts';
import { type Asking, type Batch, cancel, stateOf, TERMINAL } from './batch-looks.ts';
import type { DriverOutput } from './driver-output.ts';

/** How long after the end of a batch its driver's output is looked at once more, where something is missing in it. */
const LAST_LOOK_MS = 1_000;

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

/** Follows the batch of that name to its end. Throws ResealError for one that does not end well. */
export async function staged(
  service: Service,
  name: string,
  output: DriverOutput,
  progress: (now: StageProgress) => void,
): Promise<StageOutcome> {
  const { asking, deployment, limits } = service;
  const { client, signal, missed } = asking;
  const account = `the batch's account, ${emailOf(deployment, 'batch')}`;
  const said: Said = { kmsCalls: null, phase: '', advance: null, error: null };
  const id = name.split('/').at(-1) ?? '';
  const tell = (state: string): void =>
    progress(
      state === 'RUNNING' && said.advance !== null
        ? said.advance
        : { message: `batch ${id} is ${state.toLowerCase()}${said.phase}` },
    );
  /** What the driver has added helps to follow the batch and to explain its failure; its work does not need it. */
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
      cancel: () => cancel(client, deployment, name),
    },
    async (seen) => {
      await read(seen);
      if (!TERMINAL.includes(stateOf(seen))) tell(stateOf(seen));
    },
    signal,
    limits,
  ).catch((error: unknown) => {
    throw batchFailure(error, signal, `batch ${id} may still be at work; \`--resume RUN\` takes it`);
  });
  // The application's last line may have come late, or the last look at the output have failed.
  const incomplete = stateOf(batch) !== 'CANCELLED' && said.kmsCalls === null && said.error === null;
  if (incomplete && !signal.aborted) {
    await sleep(LAST_LOOK_MS, undefined, { signal });
    await unlessAborted(read(batch), signal);
  }
  if (stateOf(batch) === 'CANCELLED')
    throw new ResealError('batch-cancelled', `${name} was cancelled`, { hint: '`--resume RUN` goes on' });
  if (stateOf(batch) === 'FAILED') throw failedBatch(name, batch, account, said, output);
  const usage = batch.runtimeInfo?.approximateUsage?.milliDcuSeconds;
  return {
    kmsCalls: said.kmsCalls,
    attempt: id,
    batchId: id,
    milliDcuSeconds: usage == null ? null : Number(usage),
  };
}

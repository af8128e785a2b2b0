import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchControllerClient, protos } from '@google-cloud/dataproc';
import { type BatchBody, batchBody } from '../../contract/batch.ts';
import type { Deployment } from '../../contract/deployment.ts';
import { ResealError } from '../../contract/errors.ts';
import { batchId, requestId } from '../../contract/ids.ts';
import { batchClient, type Endpoints, storageClient } from '../../google/clients.ts';
import { rpcFailure } from '../../google/rpc.ts';
import type { Engine, StageInput, StageOutcome, StageProgress } from '../engine.ts';
import { applicationLine, lineProgress } from './application-lines.ts';
import { driverOutput } from './driver-output.ts';

type Batch = protos.google.cloud.dataproc.v1.IBatch;

/** A batch takes a minute to start and more to work: asked often at first, then less. */
const POLL_MS = { first: 500, growth: 1.5, most: 10_000 };
const MAX_ATTEMPTS = 20;

/** The engine at scale: one batch of Serverless Dataproc, followed until it ends. */
export function dataprocEngine(deployment: Deployment, endpoints?: Endpoints): Engine {
  const parent = `projects/${deployment.project}/locations/${deployment.location}`;
  return {
    name: 'dataproc',
    batchId: (runId) => batchId(runId, 1),
    async stage(input, progress, signal) {
      const client = await batchClient(deployment, endpoints);
      try {
        const name = await created(client, parent, deployment, input);
        const output = driverOutput(await storageClient(deployment, endpoints));
        return await follow(client, name, output, progress, signal);
      } catch (error) {
        throw batchFailure(error);
      } finally {
        await client.close();
      }
    },
  };
}

/** The batch in the client library's form: the REST body, but for the duration. */
export function clientBatch(body: BatchBody): Batch {
  const { executionConfig } = body.environmentConfig;
  const ttl = { seconds: Number.parseInt(executionConfig.ttl, 10) };
  return { ...body, environmentConfig: { executionConfig: { ...executionConfig, ttl } } } as Batch;
}

const state = (batch: Batch): string => String(batch.state);

/** The run's batch: one under way or done is followed, a failed or cancelled one gets a successor. */
async function created(
  client: BatchControllerClient,
  parent: string,
  deployment: Deployment,
  input: StageInput,
): Promise<string> {
  const batch = clientBatch(
    batchBody(deployment, {
      runId: input.runId,
      mode: input.mode,
      snapshotMillis: input.snapshotMillis,
      idCutoff: input.idCutoff,
      keysetVersion: String(input.keyset.version),
      limit: String(input.limit ?? 0),
    }),
  );
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const id = batchId(input.runId, attempt);
    const name = `${parent}/batches/${id}`;
    const found = await existing(client, name);
    if (found !== null && !['FAILED', 'CANCELLED'].includes(state(found))) return name;
    if (found !== null) continue;
    try {
      await client.createBatch({ parent, batch, batchId: id, requestId: requestId(input.runId, attempt) });
    } catch (error) {
      if (rpcFailure(error).status !== 'ALREADY_EXISTS') throw error;
    }
    return name;
  }
  throw new ResealError('batch-failed', `${MAX_ATTEMPTS} batches of run ${input.runId} failed`);
}

async function existing(client: BatchControllerClient, name: string): Promise<Batch | null> {
  try {
    const [batch] = await client.getBatch({ name });
    return batch;
  } catch (error) {
    if (rpcFailure(error).status === 'NOT_FOUND') return null;
    throw error;
  }
}

async function follow(
  client: BatchControllerClient,
  name: string,
  output: ReturnType<typeof driverOutput>,
  progress: (now: StageProgress) => void,
  signal: AbortSignal,
): Promise<StageOutcome> {
  let kmsCalls: number | null = null;
  let reported: { code: string; message: string } | null = null;
  let cancelling = false;
  for (let wait = POLL_MS.first; ; wait = Math.min(wait * POLL_MS.growth, POLL_MS.most)) {
    if (signal.aborted && !cancelling) {
      cancelling = true;
      await cancel(client, name);
    }
    const [batch] = await client.getBatch({ name });
    for (const line of (await output.lines(batch.runtimeInfo?.outputUri)).map(applicationLine)) {
      if (line?.reseal === 'progress') progress(lineProgress(line));
      else if (line?.reseal === 'counts') kmsCalls = line.kms_calls;
      else if (line?.reseal === 'error') reported = line;
    }
    switch (state(batch)) {
      case 'SUCCEEDED': {
        const usage = batch.runtimeInfo?.approximateUsage?.milliDcuSeconds;
        return {
          kmsCalls,
          batchId: name.split('/').at(-1) ?? null,
          milliDcuSeconds: usage == null ? null : Number(usage),
        };
      }
      case 'CANCELLED':
        throw new ResealError('batch-cancelled', `${name} was cancelled`, { hint: 'go on with --resume' });
      case 'FAILED':
        throw failed(name, batch, reported, output.lastLines());
      default:
        progress({ message: `batch ${name.split('/').at(-1)} is ${state(batch).toLowerCase()}` });
    }
    await sleep(wait, undefined, { signal: cancelling ? undefined : signal }).catch(() => {});
  }
}

/** https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.regions.operations/cancel */
async function cancel(client: BatchControllerClient, name: string): Promise<void> {
  const [batch] = await client.getBatch({ name });
  const request = { name: batch.operation } as Parameters<typeof client.operationsClient.cancelOperation>[0];
  if (batch.operation) await client.operationsClient.cancelOperation(request);
}

/** Why the batch failed: the application's own words where it found any, else Dataproc's and the last lines. */
function failed(
  name: string,
  batch: Batch,
  reported: { code: string; message: string } | null,
  lastLines: readonly string[],
): ResealError {
  if (reported !== null) return new ResealError(reported.code, reported.message, { hint: `batch ${name}` });
  const tail = lastLines.map((line) => `\n  | ${line}`).join('');
  return new ResealError(
    'batch-failed',
    `${name} failed: ${batch.stateMessage ?? 'no reason given'}${tail}`,
    {
      hint: `the whole output: ${batch.runtimeInfo?.outputUri ?? 'in Cloud Logging'}`,
    },
  );
}

function batchFailure(error: unknown): Error {
  if (error instanceof ResealError) return error;
  const { status, message } = rpcFailure(error);
  if (status === 'PERMISSION_DENIED')
    return new ResealError('batch-denied', `Dataproc: ${message}`, {
      hint: 'the account needs roles/dataproc.serverlessEditor and serviceAccountUser on the batch account',
    });
  return new ResealError('batch', `Dataproc: ${message}`, { cause: error });
}

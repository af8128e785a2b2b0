import { GoogleError } from '../errors/google-error.ts';
import { LOCATION, OPERATION } from '../http/paths.ts';
import { type Call, type Json, objectOr, type Route, readJson, text } from '../http/router.ts';
import { onServiceAccount } from '../iam/resources.ts';
import { type Batch, type Batches, ended } from './batches.ts';

/** Batch ids match this: https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.locations.batches/create */
const BATCH_ID = /^[a-z0-9][a-z0-9-]{2,61}[a-z0-9]$/;
const MAX_REQUEST_ID = 40;

const parentName = ({ project, location }: Call['params']): string =>
  `projects/${project}/locations/${location}`;
const batchName = (params: Call['params']): string => `${parentName(params)}/batches/${params.batch}`;
const operationName = ({ project, location, operation }: Call['params']): string =>
  `projects/${project}/regions/${location}/operations/${operation}`;

/** The operation of a batch: done once the batch has ended. */
function operationJson(batch: Batch): Json {
  const outcome =
    batch.state === 'SUCCEEDED'
      ? { response: { '@type': 'type.googleapis.com/google.cloud.dataproc.v1.Batch', ...batch } }
      : { error: { code: batch.state === 'CANCELLED' ? 1 : 13, message: batch.stateMessage ?? batch.state } };
  return {
    name: batch.operation,
    metadata: {
      '@type': 'type.googleapis.com/google.cloud.dataproc.v1.BatchOperationMetadata',
      batch: batch.name,
      batchUuid: batch.uuid,
      createTime: batch.createTime,
      operationType: 'BATCH',
    },
    done: ended(batch),
    ...(ended(batch) ? outcome : {}),
  };
}

/** Dataproc's batches and their operations. `check` throws for a batch that cannot be made. */
export function dataprocRoutes(batches: Batches, check: (body: Json) => void = () => {}): Route[] {
  return [
    { method: 'POST', path: `${LOCATION}/batches`, handle: (call) => create(batches, check, call) },
    {
      method: 'GET',
      path: `${LOCATION}/batches`,
      handle: ({ params }) => ({ batches: batches.list(parentName(params)) }),
    },
    {
      method: 'GET',
      path: `${LOCATION}/batches/{batch}`,
      handle: ({ params }) => batches.get(batchName(params)),
    },
    {
      method: 'DELETE',
      path: `${LOCATION}/batches/{batch}`,
      handle: ({ params }) => {
        batches.delete(batchName(params));
        return {};
      },
    },
    {
      method: 'GET',
      path: OPERATION,
      handle: ({ params }) => operationJson(batches.byOperation(operationName(params))),
    },
    {
      method: 'POST',
      path: `${OPERATION}:cancel`,
      handle: ({ params }) => {
        batches.cancel(operationName(params));
        return {};
      },
    },
  ];
}

async function create(batches: Batches, check: (body: Json) => void, call: Call): Promise<Json> {
  const id = call.query.get('batchId') ?? '';
  const requestId = call.query.get('requestId');
  if (!BATCH_ID.test(id)) throw new GoogleError('INVALID_ARGUMENT', `Invalid batch id "${id}".`);
  if ((requestId?.length ?? 0) > MAX_REQUEST_ID)
    throw new GoogleError('INVALID_ARGUMENT', `requestId has more than ${MAX_REQUEST_ID} characters.`);
  const body = await readJson(call);
  if (body.pysparkBatch === undefined && body.sparkBatch === undefined)
    throw new GoogleError('UNIMPLEMENTED', 'The sandbox runs pysparkBatch and sparkBatch only.');
  const { executionConfig } = objectOr(body.environmentConfig);
  const account = text(objectOr(executionConfig).serviceAccount);
  // https://cloud.google.com/dataproc-serverless/docs/concepts/service-account
  if (account !== undefined)
    call.caller.require('iam.serviceAccounts.actAs', onServiceAccount(call.params.project ?? '', account));
  check(body);
  const name = `${parentName(call.params)}/batches/${id}`;
  return operationJson(batches.create(name, body, requestId, call.caller.member));
}

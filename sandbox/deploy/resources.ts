import { readFile } from 'node:fs/promises';
import { call, messageOf, send } from '../http/client.ts';
import type { SandboxEndpoints } from '../http/endpoints.ts';
import { cloudRunJobBody } from './cloud-run-job.ts';

type Inputs = Record<string, unknown>;
/** Makes a resource, or brings it up to date; returns its id. */
type Creator = (inputs: Inputs) => Promise<string>;

const EXISTS = 409;

/** The resources that the sandbox has a counterpart of, by Pulumi type. */
export function creators(endpoints: SandboxEndpoints): Readonly<Record<string, Creator>> {
  const { accessToken: token } = endpoints;
  const kms = `${endpoints.kms}/v1`;
  const bigquery = (inputs: Inputs) => `${endpoints.bigquery}/bigquery/v2/projects/${inputs.project}`;
  return {
    'gcp:kms/keyRing:KeyRing': async ({ project, location, name }) => {
      const parent = `projects/${project}/locations/${location}`;
      await create(token, `${kms}/${parent}/keyRings?keyRingId=${name}`, {});
      return `${parent}/keyRings/${name}`;
    },
    'gcp:kms/cryptoKey:CryptoKey': async ({ keyRing, name, purpose, labels, rotationPeriod }) => {
      const id = `${keyRing}/cryptoKeys/${name}`;
      const body = { purpose, labels, rotationPeriod };
      if (!(await create(token, `${kms}/${keyRing}/cryptoKeys?cryptoKeyId=${name}`, body))) {
        await call(token, 'PATCH', `${kms}/${id}?updateMask=labels,rotationPeriod`, body);
      }
      return id;
    },
    'gcp:storage/bucket:Bucket': async ({ project, name, location, labels, storageClass, encryption }) => {
      const url = `${endpoints.storage}/storage/v1/b?project=${project}`;
      await create(token, url, { name, location, labels, storageClass, encryption });
      return String(name);
    },
    'gcp:storage/bucketObject:BucketObject': async ({ bucket, name, source, content }) => {
      const media = content === undefined ? await assetOf(source) : String(content);
      const url = `${endpoints.storage}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(String(name))}`;
      await call(token, 'POST', url, media, 'application/octet-stream');
      return `${bucket}-${name}`;
    },
    'gcp:bigquery/dataset:Dataset': async (inputs) => {
      const { project, datasetId, location, labels, description, defaultEncryptionConfiguration } = inputs;
      const url = `${bigquery(inputs)}/datasets`;
      const datasetReference = { projectId: project, datasetId };
      const body = { datasetReference, location, labels, description, defaultEncryptionConfiguration };
      if (!(await create(token, url, body))) await call(token, 'PATCH', `${url}/${datasetId}`, body);
      return `projects/${project}/datasets/${datasetId}`;
    },
    'gcp:bigquery/table:Table': async (inputs) => {
      const { project, datasetId, tableId, schema, clusterings, description, labels } = inputs;
      const { timePartitioning, encryptionConfiguration } = inputs;
      const url = `${bigquery(inputs)}/datasets/${datasetId}/tables`;
      const body = {
        tableReference: { projectId: project, datasetId, tableId },
        schema: { fields: JSON.parse(String(schema)) },
        ...(clusterings === undefined ? {} : { clustering: { fields: clusterings } }),
        ...(timePartitioning === undefined ? {} : { timePartitioning }),
        description,
        labels,
        encryptionConfiguration,
      };
      if (!(await create(token, url, body))) await call(token, 'PATCH', `${url}/${tableId}`, body);
      return `projects/${project}/datasets/${datasetId}/tables/${tableId}`;
    },
    'gcp:bigquery/routine:Routine': async (inputs) => {
      const { project, datasetId, routineId, routineType, language, definitionBody, description } = inputs;
      const url = `${bigquery(inputs)}/datasets/${datasetId}/routines`;
      const body = {
        routineReference: { projectId: project, datasetId, routineId },
        routineType,
        language,
        definitionBody,
        description,
        arguments: inputs.arguments ?? [],
      };
      if (!(await create(token, url, body))) await call(token, 'PUT', `${url}/${routineId}`, body);
      return `projects/${project}/datasets/${datasetId}/routines/${routineId}`;
    },
    'gcp:cloudrunv2/job:Job': async (inputs) => {
      const id = `projects/${inputs.project}/locations/${inputs.location}/jobs`;
      const url = `${endpoints.run}/v2/${id}`;
      const body = cloudRunJobBody(inputs);
      if (!(await create(token, `${url}?jobId=${inputs.name}`, body)))
        await call(token, 'PATCH', `${url}/${inputs.name}`, body);
      return `${id}/${inputs.name}`;
    },
  };
}

/** Creates a resource; false where it exists already. */
async function create(token: string, url: string, body: unknown): Promise<boolean> {
  const answer = await send(token, 'POST', url, body);
  if (answer.status === EXISTS) return false;
  if (answer.status >= 300) throw new Error(messageOf(answer));
  return true;
}

/** The bytes of a pulumi.asset: a file's or a text's. */
async function assetOf(source: unknown): Promise<Buffer> {
  const { path, text } = source as { path?: unknown; text?: unknown };
  const [file, content] = await Promise.all([path, text]);
  if (typeof file === 'string') return readFile(file);
  if (typeof content === 'string') return Buffer.from(content);
  throw new Error('the sandbox uploads file and text assets only');
}

import type { Program, Recorded } from './program.ts';

/** Inputs that hold a document: shown as what they mean, or left to the tests that run them. */
const AS_JSON = ['schema', 'dashboardJson'];
const TESTED_ELSEWHERE = ['sourceContents'];

function readable([name, value]: [string, unknown]): [string, unknown] {
  if (typeof value !== 'string') return [name, value];
  if (AS_JSON.includes(name)) return [name, JSON.parse(value)];
  if (TESTED_ELSEWHERE.includes(name)) return [name, 'infra/workflow/source.ts'];
  return [name, value];
}

/** Every resource with its inputs, in an order that does not depend on which came first. */
export function inventory({ resources }: Program): object[] {
  return resources
    .filter(({ custom }) => custom)
    .map(({ type, name, inputs, protect, retained, ignored }) => ({
      type,
      name,
      ...(protect && { protect }),
      ...(retained && { retained }),
      ...(ignored.length > 0 && { ignored }),
      inputs: Object.fromEntries(
        Object.entries(inputs)
          .map(readable)
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
    }));
}

/** One permission: who may do what on which resource. */
export interface Binding {
  member: string;
  role: string;
  resource: string;
}

const text = (value: unknown): string => String(value);

/** What a binding stands on, by the type of the resource that makes it. */
const SUBJECTS: Record<string, (inputs: Record<string, unknown>) => string> = {
  'gcp:projects/iAMMember:IAMMember': ({ project }) => `project ${text(project)}`,
  'gcp:bigquery/iamMember:IamMember': ({ datasetId, tableId }) => `table ${text(datasetId)}.${text(tableId)}`,
  'gcp:bigquery/datasetIamMember:DatasetIamMember': ({ datasetId }) => `dataset ${text(datasetId)}`,
  'gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember': ({ cryptoKeyId }) => text(cryptoKeyId),
  'gcp:datacatalog/policyTagIamMember:PolicyTagIamMember': ({ policyTag }) => text(policyTag),
  'gcp:storage/bucketIAMMember:BucketIAMMember': ({ bucket }) => `bucket ${text(bucket)}`,
  'gcp:serviceaccount/iAMMember:IAMMember': ({ serviceAccountId }) => text(serviceAccountId),
  'gcp:cloudrunv2/jobIamMember:JobIamMember': ({ project, location, name }) =>
    `projects/${text(project)}/locations/${text(location)}/jobs/${text(name)}`,
};

function binding({ type, inputs }: Recorded): Binding | undefined {
  if (type === 'gcp:bigquery/datasetAccess:DatasetAccess') {
    if (inputs.authorizedDataset !== undefined) {
      const { dataset } = inputs.authorizedDataset as { dataset: { datasetId: string } };
      return {
        member: `views ${dataset.datasetId}`,
        role: 'authorized views',
        resource: `dataset ${text(inputs.datasetId)}`,
      };
    }
    const { datasetId: home, routineId } = inputs.routine as { datasetId: string; routineId: string };
    return {
      member: `routine ${home}.${routineId}`,
      role: text(inputs.role ?? 'authorized routine'),
      resource: `dataset ${text(inputs.datasetId)}`,
    };
  }
  const subject = SUBJECTS[type];
  if (subject !== undefined)
    return { member: text(inputs.member), role: text(inputs.role), resource: subject(inputs) };
  // A kind of binding that this list does not know must not slip past the goldens.
  if ('member' in inputs || 'members' in inputs || 'policyData' in inputs || 'accesses' in inputs)
    throw new Error(`${type} grants something: teach tests/support/pulumi/inventory.ts to show it`);
  return undefined;
}

/** Every permission that the program grants. */
export function bindings({ resources }: Program): Binding[] {
  return resources
    .map(binding)
    .filter((one) => one !== undefined)
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

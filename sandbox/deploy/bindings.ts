import { parseDeployment } from '../../jobs/contract/deployment.ts';
import type { Binding } from '../iam/policy.ts';
import {
  bucketName,
  cloudRunJobName,
  datasetName,
  projectName,
  routineName,
  serviceAccountName,
  tableName,
  viewsOf,
} from '../iam/resources.ts';
import { AUTHORIZED_ROUTINE } from '../iam/roles.ts';

type Inputs = Readonly<Record<string, unknown>>;
export interface Registered {
  readonly type: string;
  readonly inputs: Inputs;
}

const part = (inputs: Inputs, name: string): string => String(inputs[name]);

/** What a binding stands on, by the Pulumi type of the resource that makes it. */
const SUBJECTS: Readonly<Record<string, (inputs: Inputs, project: string) => string>> = {
  'gcp:projects/iAMMember:IAMMember': (given) => projectName(part(given, 'project')),
  'gcp:bigquery/iamMember:IamMember': (given, project) =>
    tableName(project, part(given, 'datasetId'), part(given, 'tableId')),
  'gcp:bigquery/datasetIamMember:DatasetIamMember': (given, project) =>
    datasetName(project, part(given, 'datasetId')),
  'gcp:bigquery/routineIamMember:RoutineIamMember': (given, project) =>
    routineName(project, part(given, 'datasetId'), part(given, 'routineId')),
  'gcp:storage/bucketIAMMember:BucketIAMMember': (given, project) =>
    bucketName(project, part(given, 'bucket')),
  'gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember': (given) => part(given, 'cryptoKeyId'),
  'gcp:cloudrunv2/jobIamMember:JobIamMember': (given) =>
    cloudRunJobName(part(given, 'project'), part(given, 'location'), part(given, 'name')),
  'gcp:datacatalog/policyTagIamMember:PolicyTagIamMember': (given) => part(given, 'policyTag'),
  'gcp:serviceaccount/iAMMember:IAMMember': (given, project) => {
    const email = part(given, 'serviceAccountId').split('/').at(-1) ?? '';
    return serviceAccountName(project, email);
  },
};

/** A routine, or the views of a dataset, that a dataset lets in are a principal there. */
function authorised({ routine, authorizedDataset, datasetId, role }: Inputs, project: string): Binding {
  if (authorizedDataset !== undefined) {
    const { dataset } = authorizedDataset as { dataset: { datasetId: string } };
    return {
      member: viewsOf(project, dataset.datasetId),
      // A view only reads.
      role: 'roles/bigquery.dataViewer',
      resource: datasetName(project, String(datasetId)),
    };
  }
  const { datasetId: home, routineId } = routine as { datasetId: string; routineId: string };
  return {
    member: `routine:${routineName(project, home, routineId)}`,
    role: role === undefined ? AUTHORIZED_ROUTINE : String(role),
    resource: datasetName(project, String(datasetId)),
  };
}

/** Every permission that the program grants. @throws Error for a kind of grant that this list does not know */
export function bindingsOf(resources: readonly Registered[], outputs: unknown): Binding[] {
  const { project } = parseDeployment(outputs);
  return resources.flatMap(({ type, inputs }) => {
    if (type === 'gcp:bigquery/datasetAccess:DatasetAccess') return authorised(inputs, project);
    const subject = SUBJECTS[type];
    if (subject !== undefined) {
      const [member, role] = [part(inputs, 'member'), part(inputs, 'role')];
      return { member, role, resource: subject(inputs, project) };
    }
    if ('member' in inputs || 'members' in inputs || 'policyData' in inputs || 'accesses' in inputs)
      throw new Error(`${type} grants something that sandbox/deploy/bindings.ts does not know`);
    return [];
  });
}

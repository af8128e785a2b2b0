import { creators } from '../../../sandbox/deploy/resources.ts';
import { call } from '../../../sandbox/http/client.ts';
import { endpointsOf } from '../../../sandbox/http/endpoints.ts';

type Inputs = Readonly<Record<string, unknown>>;
type Creator = (inputs: Inputs) => Promise<unknown>;

const withoutProject = ({ project: _, ...rest }: Inputs): Inputs => rest;

/**
 * Every kind of resource of the program as Google's provider makes it: which method it calls, with which body. The
 * provider's inputs have the names of REST's properties, but for those that are spelt out here.
 */
export function everyCreator(origin: string, token: string): Readonly<Record<string, Creator>> {
  const post = (path: string, body: unknown) => call(token, 'POST', `${origin}${path}`, body);
  /** Reads a policy, adds one member and writes it. */
  const bind = async (
    path: string,
    { role, member }: Inputs,
    [read, write] = ['POST', 'POST'],
    ending = [':getIamPolicy', ':setIamPolicy'],
  ): Promise<void> => {
    const { bindings } = await call(
      token,
      read as string,
      `${origin}${path}${ending[0]}`,
      read === 'GET' ? undefined : {},
    );
    const policy = { bindings: [...((bindings as object[]) ?? []), { role, members: [member] }] };
    await call(token, write as string, `${origin}${path}${ending[1]}`, write === 'PUT' ? policy : { policy });
  };
  const v1 = (project: unknown) => `/v1/projects/${project}`;
  const dataset = ({ project, datasetId }: Inputs) =>
    `/bigquery/v2/projects/${project}/datasets/${datasetId}`;
  const compute = (project: unknown) => `/compute/v1/projects/${project}`;
  const networkOf = ({ project, network }: Inputs) => `projects/${project}/global/networks/${network}`;

  return {
    ...creators(endpointsOf(origin, token)),
    'gcp:projects/service:Service': async ({ project, service }) => {
      // The provider looks up the project's number, and asks for it whether or not the API is on.
      if (service !== 'cloudresourcemanager.googleapis.com')
        await call(token, 'GET', `${origin}${v1(project)}`);
      await post(`${v1(project)}/services/${service}:enable`, {});
    },
    'gcp:projects/serviceIdentity:ServiceIdentity': ({ project, service }) =>
      post(`/v1beta1/projects/${project}/services/${service}:generateServiceIdentity`, undefined),
    'gcp:serviceaccount/account:Account': ({ project, accountId, ...serviceAccount }) =>
      post(`${v1(project)}/serviceAccounts`, { accountId, serviceAccount }),
    'gcp:projects/iAMMember:IAMMember': (given) => bind(v1(given.project), given),
    'gcp:projects/iAMAuditConfig:IAMAuditConfig': ({ project, service, auditLogConfigs }) =>
      post(`${v1(project)}:setIamPolicy`, {
        policy: { auditConfigs: [{ service, auditLogConfigs }] },
        updateMask: 'auditConfigs',
      }),
    'gcp:serviceaccount/iAMMember:IAMMember': (given) => bind(`/v1/${given.serviceAccountId}`, given),
    'gcp:bigquery/iamMember:IamMember': (given) => bind(`${dataset(given)}/tables/${given.tableId}`, given),
    'gcp:bigquery/datasetIamMember:DatasetIamMember': ({ role, member, ...given }) =>
      call(token, 'PATCH', `${origin}${dataset(given)}`, { access: [{ role, iamMember: member }] }),
    'gcp:bigquery/datasetAccess:DatasetAccess': ({ role, routine, authorizedDataset, ...given }) =>
      call(token, 'PATCH', `${origin}${dataset(given)}`, {
        access: [authorizedDataset === undefined ? { role, routine } : { dataset: authorizedDataset }],
      }),
    'gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember': (given) =>
      bind(`/v1/${given.cryptoKeyId}`, given, ['GET', 'POST']),
    'gcp:storage/bucketIAMMember:BucketIAMMember': (given) =>
      bind(`/storage/v1/b/${given.bucket}/iam`, given, ['GET', 'PUT'], ['', '']),
    'gcp:cloudrunv2/jobIamMember:JobIamMember': ({ project, location, name, ...given }) =>
      bind(`/v2/projects/${project}/locations/${location}/jobs/${name}`, given, ['GET', 'POST']),
    'gcp:compute/network:Network': ({ project, ...body }) =>
      post(`${compute(project)}/global/networks`, body),
    'gcp:compute/subnetwork:Subnetwork': ({ project, region, ...body }) =>
      post(`${compute(project)}/regions/${region}/subnetworks`, {
        ...body,
        network: networkOf({ ...body, project }),
      }),
    'gcp:compute/firewall:Firewall': ({ project, allows, ...body }) =>
      post(`${compute(project)}/global/firewalls`, {
        ...body,
        network: networkOf({ ...body, project }),
        allowed: (allows as Inputs[]).map(({ protocol, ports }) => ({ IPProtocol: protocol, ports })),
      }),
    'gcp:logging/metric:Metric': (given) =>
      post(`/v2/projects/${given.project}/metrics`, withoutProject(given)),
    'gcp:monitoring/alertPolicy:AlertPolicy': (given) =>
      post(`/v3/projects/${given.project}/alertPolicies`, withoutProject(given)),
    'gcp:monitoring/dashboard:Dashboard': ({ project, dashboardJson }) =>
      post(`${v1(project)}/dashboards`, JSON.parse(String(dashboardJson))),
    'gcp:workflows/workflow:Workflow': ({ project, region, name, deletionProtection: _, ...body }) =>
      post(`${v1(project)}/locations/${region}/workflows?workflowId=${name}`, body),
    'gcp:cloudscheduler/job:Job': ({ project, region, name, paused: _, ...body }) =>
      post(`${v1(project)}/locations/${region}/jobs`, {
        ...body,
        name: `projects/${project}/locations/${region}/jobs/${name}`,
      }),
  };
}

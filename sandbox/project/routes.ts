import { GoogleError } from '../errors/google-error.ts';
import { LOCATION } from '../http/paths.ts';
import { type Call, type Json, objectOr, type Route, readJson, required, text } from '../http/router.ts';
import { accountName, agentName, type Project } from './project.ts';

const SERVICE = '{kind}/{project}/services/{service}';
const WORKFLOWS = 'workflows.googleapis.com';

/** A method that makes a resource: its full name, and what has to be there before it. */
interface Kind {
  readonly path: string;
  name(call: Call, body: Json): string;
  after?(project: Project, call: Call, body: Json): void;
}

const under = ({ params }: Call, rest: string): string => `projects/${params.project}/${rest}`;
const networkOf = (call: Call, body: Json): string =>
  under(call, `networks/${required(body.network, 'network').split('/').at(-1)}`);
const network = (project: Project, call: Call, body: Json): void => {
  project.find(networkOf(call, body));
};

/**
 * Log-based metrics of the project's own that a condition reads, as PromQL writes them; of a distribution it reads a
 * part. Google takes a condition whose metric does not exist, and it never fires; the sandbox does not.
 * https://cloud.google.com/monitoring/promql/promql-mapping
 */
const LOG_METRIC = /logging_googleapis_com:user_(\w+?)(?:_(?:sum|count|bucket))?\b/g;

const KINDS: readonly Kind[] = [
  {
    path: `${LOCATION}/workflows`,
    name: (call) =>
      under(call, `locations/${call.params.location}/workflows/${call.query.get('workflowId')}`),
    after(project, call, { serviceAccount }) {
      const id = call.params.project ?? '';
      project.member(required(serviceAccount, 'serviceAccount'), id);
      if (!project.has(agentName(id, WORKFLOWS)))
        throw new GoogleError('PERMISSION_DENIED', 'Workflows service agent does not exist.');
    },
  },
  {
    path: `${LOCATION}/jobs`,
    name: (_call, body) => required(body.name, 'name'),
    after(project, call, { httpTarget }) {
      const { serviceAccountEmail } = objectOr(objectOr(httpTarget).oauthToken);
      project.member(text(serviceAccountEmail) ?? '', call.params.project ?? '');
    },
  },
  {
    path: '/v2/projects/{project}/metrics',
    name: (call, body) => under(call, `metrics/${required(body.name, 'name')}`),
  },
  {
    path: '/v3/projects/{project}/alertPolicies',
    name: (call, body) => under(call, `alertPolicies/${required(body.displayName, 'displayName')}`),
    after(project, call, { conditions }) {
      for (const [, metric] of JSON.stringify(conditions).matchAll(LOG_METRIC))
        if (!project.has(under(call, `metrics/${metric}`)))
          throw new GoogleError(
            'NOT_FOUND',
            `Cannot find metric that matches type = "logging.googleapis.com/user/${metric}".`,
          );
    },
  },
  {
    path: '/v1/projects/{project}/dashboards',
    name: (call, body) => under(call, `dashboards/${required(body.displayName, 'displayName')}`),
  },
  {
    path: '/compute/v1/projects/{project}/global/networks',
    name: (call, body) => under(call, `networks/${required(body.name, 'name')}`),
  },
  {
    path: '/compute/v1/projects/{project}/regions/{region}/subnetworks',
    name: (call, body) => under(call, `regions/${call.params.region}/subnetworks/${body.name}`),
    after: network,
  },
  {
    path: '/compute/v1/projects/{project}/global/firewalls',
    name: (call, body) => under(call, `firewalls/${required(body.name, 'name')}`),
    after: network,
  },
];

/** https://cloud.google.com/service-usage/docs/reference/rest/v1/services#Service */
function serviceJson({ apis }: Project, name: string): Json {
  const [, parent, api = ''] = /^(projects\/[^/]+)\/services\/([^/]+)$/.exec(name) ?? [];
  if (parent === undefined) throw new GoogleError('INVALID_ARGUMENT', `${name} is no name of a service.`);
  return { name, parent, config: { name: api }, state: apis.has(api) ? 'ENABLED' : 'DISABLED' };
}

/** Service Usage, service accounts, and what else a deployment makes. */
export function projectResourceRoutes(project: Project): Route[] {
  const id = ({ params }: Call): string => params.project ?? '';
  return [
    {
      method: 'GET',
      path: '/v1/projects/{project}',
      handle: (call) => ({ projectId: id(call), lifecycleState: 'ACTIVE' }),
    },
    {
      method: 'GET',
      path: '/v1/{kind}/{project}/services:batchGet',
      handle: (call) => ({ services: call.query.getAll('names').map((name) => serviceJson(project, name)) }),
    },
    {
      method: 'POST',
      path: `/v1/${SERVICE}:disable`,
      handle: (call) => {
        project.apis.disable(call.params.service ?? '');
        return { done: true };
      },
    },
    {
      method: 'POST',
      path: `/v1/${SERVICE}:enable`,
      handle: (call) => {
        project.apis.enable(call.params.service ?? '', id(call));
        return { done: true };
      },
    },
    {
      method: 'POST',
      path: `/v1beta1/${SERVICE}:generateServiceIdentity`,
      handle: (call) => {
        project.keep(agentName(id(call), call.params.service ?? ''), {});
        return { done: true };
      },
    },
    {
      method: 'POST',
      path: '/v1/projects/{project}/serviceAccounts',
      handle: async (call) => {
        const { accountId, serviceAccount } = await readJson(call);
        const email = `${required(accountId, 'accountId')}@${id(call)}.iam.gserviceaccount.com`;
        const name = accountName(id(call), email);
        return project.keep(name, { ...objectOr(serviceAccount), name, email });
      },
    },
    ...KINDS.map(
      ({ path, name, after }): Route => ({
        method: 'POST',
        path,
        handle: async (call) => {
          const body = await readJson(call);
          after?.(project, call, body);
          return project.keep(name(call, body), body);
        },
      }),
    ),
  ];
}

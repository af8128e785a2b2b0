import { type Json, objectOr } from '../../http/router.ts';
import type { Policy } from '../../iam/policy.ts';
import { datasetName } from '../../iam/resources.ts';

/** https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets#Dataset.FIELDS.access */
const OLDER_NAMES: Readonly<Record<string, string>> = {
  'roles/bigquery.dataViewer': 'READER',
  'roles/bigquery.dataEditor': 'WRITER',
  'roles/bigquery.dataOwner': 'OWNER',
};

/** A dataset's resource with its bindings: it shows them as a list of access, in which a service account is a user. */
export function withAccess({ bindings }: Policy, dataset: Json): Json {
  const { projectId, datasetId } = objectOr(dataset.datasetReference);
  const name = datasetName(String(projectId), String(datasetId));
  const own = bindings.flatMap(({ member, role, resource }) => {
    const [kind, email] = member.split(':', 2);
    if (resource !== name || !['user', 'serviceAccount', 'group'].includes(kind ?? '')) return [];
    return { role: OLDER_NAMES[role] ?? role, [kind === 'group' ? 'groupByEmail' : 'userByEmail']: email };
  });
  const kept = Array.isArray(dataset.access) ? dataset.access : [];
  return { ...dataset, access: [...kept, ...own] };
}

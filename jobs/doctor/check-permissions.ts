import type { BigQuery } from '@google-cloud/bigquery';
import type { Deployment } from '../contract/deployment.ts';
import { enginesOf, type Grant, grantResource, JOB_USER_GRANTS } from '../contract/job-user.ts';
import { googleFailure } from '../google/failures.ts';
import type { Askable, Held } from '../google/permissions.ts';
import { type Finding, ok, wrong } from './finding.ts';

/** Whether a run can do without the grant, given what the stack allows. */
function matters(d: Deployment, { when }: Grant): boolean {
  const engines = enginesOf(when);
  if (engines !== null) return d.engines.some((engine) => engines.includes(engine));
  return when !== '--via workflow' || d.workflow !== null;
}

/**
 * The roles that docs/iam.md tells people to grant to whoever runs this command, each by the permissions of it that
 * a run uses. One that only an engine or the workflow needs is a warning: there is another way.
 */
export async function checkPermissions(d: Deployment, client: BigQuery, held: Held): Promise<Finding[]> {
  const grants = JOB_USER_GRANTS.filter((grant) => matters(d, grant));
  const isMissing = await viewIsMissing(d, client);
  const findings = await Promise.all(
    grants.map((grant) =>
      grant.on === 'read dataset' && isMissing ? beforeTheView(d, grant) : checkGrant(d, held, grant),
    ),
  );
  return findings.filter((finding) => finding !== null);
}

/** Whether no run has made the readers' view yet. Of what is not there Google says that nobody has any permission. */
const viewIsMissing = (d: Deployment, client: BigQuery): Promise<boolean> =>
  client
    .dataset(d.readDataset)
    .table(d.readView)
    .getMetadata()
    .then(
      () => false,
      (error: unknown) => googleFailure(error).status === 'NOT_FOUND',
    );

const checkOf = ({ role, on }: Grant): string => `${role} on ${on}`;

const beforeTheView = (d: Deployment, grant: Grant): Finding =>
  wrong(
    'unknown',
    checkOf(grant),
    `there is no view ${d.readDataset}.${d.readView} yet, of which BigQuery could be asked`,
    `see to it that this account has ${grant.role} on the dataset ${d.readDataset}: the first run makes the view`,
  );

/** What to ask of a resource. */
interface Question {
  readonly of: Askable;
  readonly permissions: readonly string[];
}

/**
 * BigQuery has no such question for a dataset: the view in it is asked of, which inherits the dataset's roles. That a view
 * may be made goes with the same role as that it may be replaced. Null for what no service can be asked of.
 */
function questionOf(d: Deployment, { on, permissions }: Grant): Question | null {
  const of = grantResource(d, on);
  if (of?.kind !== 'dataset') return of === null ? null : { of, permissions };
  const view = { kind: 'table' as const, project: of.project, dataset: of.dataset, table: d.readView };
  return { of: view, permissions: permissions.filter((one) => one !== 'bigquery.tables.create') };
}

async function checkGrant(d: Deployment, held: Held, grant: Grant): Promise<Finding | null> {
  const question = questionOf(d, grant);
  if (question === null) return null;
  const { of, permissions } = question;
  const check = checkOf(grant);
  try {
    const has = await held(of, permissions);
    const lacking = permissions.filter((permission) => !has.has(permission));
    if (lacking.length === 0) return ok(check, grant.when);
    const every = grant.when === 'every run';
    const engines = enginesOf(grant.when);
    const needed =
      every || (!grant.optional && engines !== null && d.engines.every((engine) => engines.includes(engine)));
    return wrong(
      needed ? 'failed' : 'warning',
      check,
      `this account lacks ${lacking.join(', ')}${every ? '' : `, needed for ${grant.when}`}`,
      `grant ${grant.role} on ${grant.on} to the account that runs this command; docs/iam.md lists what each account needs`,
    );
  } catch (error) {
    const { message } = googleFailure(error);
    return wrong('unknown', check, message, 'see the message; docs/iam.md lists the roles');
  }
}

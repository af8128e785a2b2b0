import type { Deployment } from '../contract/deployment.ts';
import { type Grant, type GrantTarget, JOB_USER_GRANTS } from '../contract/job-user.ts';
import { googleFailure } from '../google/failures.ts';
import type { Asked, Held } from '../google/permissions.ts';
import { type Finding, ok, wrong } from './finding.ts';

/** A policy tag is no part of a deployment: the tables carry it, and a merge that lacks it says so. */
function resource(d: Deployment, on: GrantTarget): Asked | null {
  const { project, dataset, tables } = d;
  const table = (id: string): Asked => ({ kind: 'table', project, dataset, table: id });
  switch (on) {
    case 'project':
      return { kind: 'project', project };
    case "the batch's account":
      return { kind: 'account', email: d.batch.serviceAccount };
    case 'source table':
      return table(tables.source);
    case 'staging table':
      return table(tables.staging);
    case 'rejected table':
      return table(tables.rejected);
    case 'shredded table':
      return table(tables.shredded);
    case 'keysets table':
      return table(tables.keysets);
    case 'runs table':
      return table(tables.runs);
    case "the stack's bucket":
      return { kind: 'bucket', bucket: d.bucket };
    case 'source key':
      return { kind: 'key', name: d.sourceKek };
    case 'BigQuery key':
      return { kind: 'key', name: d.bigqueryKek };
    case 'policy tag':
      return null;
  }
}

/** Whether a run can do without the grant, given what the stack allows. */
function matters(d: Deployment, { when }: Grant): boolean {
  if (when === '--engine direct') return d.engines.includes('direct');
  if (when === '--engine dataproc') return d.engines.includes('dataproc');
  return when !== '--via workflow' || d.workflow !== null;
}

/**
 * The roles that docs/iam.md tells people to grant to whoever runs this command, each by the permissions of it that
 * a run uses. One that only an engine or the workflow needs is a warning: there is another way.
 */
export async function checkPermissions(d: Deployment, held: Held): Promise<Finding[]> {
  const grants = JOB_USER_GRANTS.filter((grant) => matters(d, grant));
  const findings = await Promise.all(grants.map((grant) => checkGrant(d, held, grant)));
  return findings.filter((finding) => finding !== null);
}

async function checkGrant(d: Deployment, held: Held, grant: Grant): Promise<Finding | null> {
  const on = resource(d, grant.on);
  if (on === null) return null;
  const check = `${grant.role} on ${grant.on}`;
  try {
    const has = await held(on, grant.permissions);
    const lacking = grant.permissions.filter((permission) => !has.has(permission));
    if (lacking.length === 0) return ok(check, grant.when);
    const every = grant.when === 'every run';
    const needed =
      every || (d.engines.length === 1 && grant.when === `--engine ${d.engines[0]}` && !grant.optional);
    return wrong(
      needed ? 'failed' : 'warning',
      check,
      `this account lacks ${lacking.join(', ')}${every ? '' : `, needed for ${grant.when}`}`,
      `grant ${grant.role} on ${grant.on} to ${'the account that runs this command'}; docs/iam.md lists what each account needs`,
    );
  } catch (error) {
    return wrong(
      'unknown',
      check,
      googleFailure(error).message,
      'see the message; docs/iam.md lists the roles',
    );
  }
}

import type { Deployment } from '../contract/deployment.ts';
import { enginesOf, type Grant, grantResource, JOB_USER_GRANTS } from '../contract/job-user.ts';
import { googleFailure } from '../google/failures.ts';
import type { Held } from '../google/permissions.ts';
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
export async function checkPermissions(d: Deployment, held: Held): Promise<Finding[]> {
  const grants = JOB_USER_GRANTS.filter((grant) => matters(d, grant));
  const findings = await Promise.all(grants.map((grant) => checkGrant(d, held, grant)));
  return findings.filter((finding) => finding !== null);
}

async function checkGrant(d: Deployment, held: Held, grant: Grant): Promise<Finding | null> {
  const on = grantResource(d, grant.on);
  if (on === null || on.kind === 'dataset') return null;
  const check = `${grant.role} on ${grant.on}`;
  try {
    const has = await held(on, grant.permissions);
    const lacking = grant.permissions.filter((permission) => !has.has(permission));
    if (lacking.length === 0) return ok(check, grant.when);
    const every = grant.when === 'every run';
    const engines = enginesOf(grant.when);
    const needed =
      every || (!grant.optional && engines !== null && d.engines.every((engine) => engines.includes(engine)));
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

import { apisOf, FIRST_API } from '../contract/apis.ts';
import { carriersOf } from '../contract/carriers.ts';
import type { Deployment } from '../contract/deployment.ts';
import { googleFailure } from '../google/failures.ts';
import type { ServiceUsage } from '../google/service-usage.ts';
import { type Finding, inBatches, ok, wrong } from './finding.ts';

/** Whether the APIs are on that `pulumi up` turned on: those of batch and job can be done without where a run may do without. */
export async function checkApis(d: Deployment, usage: ServiceUsage): Promise<Finding> {
  const check = 'APIs';
  // The job is for the workflow only: by hand its engine runs without.
  const needed = apisOf({ batches: inBatches(d) === 'failed', job: false });
  const wanted = [FIRST_API, ...apisOf(carriersOf({ engines: d.engines, jarFile: d.batch.jarFile }))];
  try {
    const off = await usage.off(d.project, wanted);
    if (off.length === 0) return ok(check, `all ${wanted.length} are on`);
    return wrong(
      off.some((api) => needed.includes(api)) ? 'failed' : 'warning',
      check,
      `${off.join(', ')} ${off.length === 1 ? 'is' : 'are'} off in project ${d.project}`,
      `\`pulumi up --refresh\`, or \`gcloud services enable ${off.map((api) => `${api}.googleapis.com`).join(' ')} --project ${d.project}\``,
    );
  } catch (error) {
    const { message } = googleFailure(error);
    return wrong(
      'unknown',
      check,
      message,
      'grant roles/serviceusage.serviceUsageViewer on the project to see',
    );
  }
}

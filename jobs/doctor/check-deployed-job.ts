import { deploysJob } from '../contract/cloud-run.ts';
import type { Deployment } from '../contract/deployment.ts';
import { type Finding, ok, wrong } from './finding.ts';

/** Whether the workflow can have runs done inside BigQuery where the stack allows them. */
export function checkDeployedJob({ engines, batch, cloudRunJob }: Deployment): Finding[] {
  if (!deploysJob({ engines, jarFile: batch.jarFile })) return [];
  const check = 'the job on Cloud Run';
  if (cloudRunJob !== null) return [ok(check, cloudRunJob)];
  return [
    wrong(
      'warning',
      check,
      'the stack was deployed without it, so the workflow has no run done inside BigQuery',
      '`npm run bundle`, then `pulumi up`',
    ),
  ];
}

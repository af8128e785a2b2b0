import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JOB_FILE } from '../../jobs/contract/cloud-run.ts';

const COMPILER = new URL('../../bin/compiled.js', import.meta.url);

/**
 * Writes the file of the bundle that the deployed job runs: one that runs the job of the checkout, so that nobody
 * bundles to try the sandbox, and a change of the job is no other deployment.
 */
export function standInJob(bundle: string): void {
  const source = [
    `import { compiled } from ${JSON.stringify(COMPILER)};`,
    `await import(await compiled('jobs/cloud-run/deployed-job.ts'));`,
  ];
  writeFileSync(join(bundle, JOB_FILE), `${source.join('\n')}\n`);
}

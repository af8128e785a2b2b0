import { newRunId } from '../../jobs/contract/ids.ts';
import { runByWorkflow } from '../../jobs/run/by-workflow.ts';
import type { Report } from '../../jobs/run/report.ts';
import type { DataprocWork } from '../../sandbox/state/dataproc-work.ts';
import { importKek } from '../../sandbox/users/load.ts';
import { Application } from '../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';
import { emulator } from '../support/workflow/emulator.ts';
import { executionsApi } from '../support/workflow/executions-api.ts';

/** A sandbox whose workflow does runs, in the emulator. */
export interface ByWorkflow {
  readonly box: TestSandbox;
  /** A run over a row that waits for it, and one that is rejected. */
  run(): Promise<Report>;
  close(): Promise<void>;
}

export async function byWorkflow(engines: readonly string[], dataproc?: DataprocWork): Promise<ByWorkflow> {
  const application = new Application('gcm');
  const key = application.newKey();
  const columnPolicyTag = 'projects/p/locations/us-central1/taxonomies/1/policyTags/2';
  const box = await testSandbox({ columnPolicyTag, engines: JSON.stringify(engines) }, dataproc);
  const workflow = await emulator(box);
  const api = await executionsApi(workflow, box);
  await importKek(box.sandbox.owner, box.deployment, application.writeKek(box.folder));
  let rows = 0;
  return {
    box,
    async run() {
      rows += 1;
      const cipherText = key.encrypt(`${rows}@example.com`);
      await box.sql(
        `INSERT INTO users (id, cipher_text, dek) VALUES (${rows}, '${cipherText}', '${key.dek}'), (${-rows}, 'no base64', '${key.dek}')`,
      );
      const endpoints = { ...box.sandbox.endpoints, workflows: api.origin };
      const options = { runId: newRunId(), mode: 'pending', engine: 'auto', limit: null } as const;
      return runByWorkflow(box.context, options, { rejected: true }, silent, endpoints);
    },
    async close() {
      await api.close();
      await workflow.close();
      await box.close();
    },
  };
}

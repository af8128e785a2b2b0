import { afterAll, beforeAll, expect, it } from 'vitest';
import { LEDGER } from '../../../jobs/contract/ledger.ts';
import { runByWorkflow } from '../../../jobs/run/by-workflow.ts';
import { newestChains } from '../../../jobs/run/keyset.ts';
import type { Report } from '../../../jobs/run/report.ts';
import { ensureVenv } from '../../../jobs/spark/venv.ts';
import { Application, type UserRow } from '../../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../../support/sandbox.ts';
import { type Emulator, emulator } from '../../support/workflow/emulator.ts';
import { executionsApi } from '../../support/workflow/executions-api.ts';

const application = new Application('gcm');

/** Good rows under a few data keys, and damaged ones. */
function table(): UserRow[] {
  const short = application.wrap(Buffer.alloc(17)).toString('base64');
  const keys = Array.from({ length: 5 }, () => application.newKey());
  return Array.from({ length: 60 }, (_, at) => {
    const key = keys[at % keys.length] ?? application.newKey();
    const row = { id: String(at + 1), cipher_text: key.encrypt(`user${at}@example.com`), dek: key.dek };
    if (at % 10 === 3) return { ...row, cipher_text: 'no base64!' };
    if (at % 10 === 7) return { ...row, dek: short };
    return row;
  });
}

let box: TestSandbox;
let workflow: Emulator;
let api: Awaited<ReturnType<typeof executionsApi>>;
beforeAll(async () => {
  await ensureVenv();
  box = await testSandbox({
    storePlaintext: 'true',
    maxRejectedShare: '1',
    engines: '["direct","dataproc"]',
  });
  workflow = await emulator(box);
  api = await executionsApi(workflow, box);
  await box.load(application, table());
}, 600_000);
afterAll(async () => {
  await api?.close();
  await workflow?.close();
  await box?.close();
});

/** Who carried a run out, and what its moments and its batch's usage were. */
const DIFFERING = [
  'via',
  'snapshot',
  'heartbeat',
  ...Object.keys(LEDGER).filter((name) => name.endsWith('_at')),
  'milli_dcu_seconds',
  'cost_usd',
  'statement_millis',
];

/** All that a run leaves, but for what differs from any run to the next. */
async function left({ run_id: runId, planned, ...report }: Report) {
  const stripped = (row: Readonly<Record<string, unknown>> | undefined, ...names: string[]) =>
    Object.fromEntries(
      Object.entries(row ?? {}).map(([name, value]) => [
        name,
        names.includes(name)
          ? typeof value
          : typeof value === 'string'
            ? value.replaceAll(runId, 'RUN')
            : value,
      ]),
    );
  const [ledger] = await box.sql(`SELECT * FROM runs WHERE run_id = '${runId}'`);
  // Ciphertexts are never the same twice: what they open to is.
  const { sql, bigquery } = box.context;
  const chains = await newestChains(box.context);
  if (chains === null) throw new Error('no keyset');
  return {
    opened: await bigquery.query(sql.readValues, { ...chains, row_limit: 1000 }),
    users: await box.sql('SELECT id, decrypted_email, resealed_from FROM users ORDER BY id'),
    rejected: await box.sql(
      `SELECT id, field, reason, dek_fingerprint, source_format, rejected_from FROM users_rejected WHERE run_id = '${runId}' ORDER BY id`,
    ),
    staged: await box.sql('SELECT * FROM users_temp'),
    ledger: stripped(ledger, ...DIFFERING),
    report: stripped(report, ...DIFFERING, 'seconds', 'cost_parts'),
    // The workflow's plan reckons no minutes.
    planned: stripped(planned, 'minutes'),
  };
}

it('the workflow and the job leave the same rows, ledger and report on the same table', async () => {
  const untouched = await box.sql('SELECT * FROM users ORDER BY id');
  const endpoints = { ...box.sandbox.endpoints, workflows: api.origin };
  const options = { runId: 'by-the-workflow', mode: 'pending', engine: 'auto', limit: null } as const;
  const byWorkflow = await left(
    await runByWorkflow(box.context, options, { rejected: false }, silent, endpoints),
  );
  expect(byWorkflow.report).toMatchObject({ selected: 60, merged: 48, kms_calls: 6, batch_id: 'reseal-RUN' });
  expect(byWorkflow.opened).toHaveLength(48);
  expect(byWorkflow.rejected).toHaveLength(12);

  await box.sql(`UPDATE users SET decrypted_email = NULL, bq_encryption_key = NULL, bq_encrypted_email = NULL,
    resealed_at = NULL, resealed_from = NULL WHERE TRUE`);
  await box.sql('DELETE FROM users_rejected WHERE TRUE');
  expect(await box.sql('SELECT * FROM users ORDER BY id')).toEqual(untouched);

  const byJob = await left(await box.run({ runId: 'by-the-job', engine: 'dataproc' }));
  expect(byJob).toEqual(byWorkflow);
}, 300_000);

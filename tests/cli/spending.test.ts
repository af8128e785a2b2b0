import { afterAll, beforeAll, expect, it } from 'vitest';
import { carriedOut } from '../../jobs/cli/carry-out.ts';
import { showPlan } from '../../jobs/cli/show-plan.ts';
import { confirmSpending } from '../../jobs/cli/spending.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import type { Watcher } from '../../jobs/run/context.ts';
import { forecast } from '../../jobs/run/forecast.ts';
import { plan } from '../../jobs/run/plan.ts';
import { run } from '../../jobs/run/run.ts';
import { Application } from '../support/application.ts';
import { silent, type TestSandbox, testSandbox } from '../support/sandbox.ts';

/** What a run is expected to come to, and who is asked before it costs too much. */

const application = new Application('gcm');
const key = application.newKey();
let box: TestSandbox;
beforeAll(async () => {
  box = await testSandbox({}, 'direct');
  const rows = Array.from({ length: 40 }, (_, at) => ({
    id: String(at + 1),
    cipher_text: at % 4 === 0 ? 'no base64' : key.encrypt(`canary-${at}@example.com`),
    dek: key.dek,
  }));
  await box.load(application, rows);
});
afterAll(() => box.close());

const options = () => ({ runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' }) as const;
const under = (confirmAboveUsd: number) => ({
  ...box.context,
  deployment: { ...box.deployment, confirmAboveUsd },
});

async function printed(json: boolean): Promise<string> {
  const write = process.stdout.write;
  let text = '';
  process.stdout.write = ((chunk: string) => {
    text += chunk;
    return true;
  }) as typeof write;
  try {
    await showPlan(box.context, options(), json, box.sandbox.endpoints);
  } finally {
    process.stdout.write = write;
  }
  return text;
}

it('a plan says what will likely become of the values, without showing one, and what each engine would cost', async () => {
  const text = await printed(false);
  expect(text).toMatch(/likely sealed +30/);
  expect(text).toMatch(/likely encoding +10/);
  expect(text).toMatch(/\* direct .*US\$/);
  expect(text).toMatch(/ {2}dataproc +2 min/);
  expect(text).not.toContain('canary');
  const planned = JSON.parse(await printed(true));
  expect(planned).toMatchObject({
    selected: 40,
    sample: { tried: 40, open: 30, rejected: { encoding: 10 } },
    engines: { direct: { dataproc_usd: 0 }, dataproc: { minutes: expect.any(Number) } },
  });
  expect(planned.engines.dataproc.cost_usd).toBeGreaterThan(planned.engines.direct.cost_usd);
  expect(await box.sql('SELECT COUNT(*) AS n FROM runs')).toEqual([{ n: '0' }]);
});

it('a run below the amount asks for nothing, and no dry run is made for it', async () => {
  const context = under(100);
  const bytes = () => Promise.reject(new Error('a dry run'));
  const planned = await plan(context, options());
  await confirmSpending({ ...context, bigquery: { ...context.bigquery, bytes } }, planned, false);
});

it('a run above it has to be confirmed, and nothing is begun before', async () => {
  const context = under(0);
  const approve = (planned: Awaited<ReturnType<typeof plan>>) => confirmSpending(context, planned, false);
  await expect(run(context, options(), silent, { rejected: true, approve })).rejects.toMatchObject({
    code: 'not-confirmed',
    message: expect.stringContaining('reseal:confirmAboveUsd'),
    hint: expect.stringContaining('--yes'),
  });
  expect(await box.sql('SELECT COUNT(*) AS n FROM runs')).toEqual([{ n: '0' }]);
  await confirmSpending(context, await plan(context, options()), true);
});

it('asks before the workflow begins one, too; --yes makes no plan for it', async () => {
  const context = { ...under(0), deployment: { ...under(0).deployment, workflow: null } };
  const byWorkflow = (yes: boolean, steps: string[]) => {
    const watcher: Watcher = {
      step(name, work) {
        steps.push(name);
        return work(() => {});
      },
    };
    const asked = { via: 'workflow', engine: 'auto', mode: 'pending', state: '', yes } as const;
    return carriedOut(asked, context, newRunId(), watcher, { endpoints: box.sandbox.endpoints });
  };
  const steps: string[] = [];
  await expect(byWorkflow(false, steps)).rejects.toMatchObject({ code: 'not-confirmed' });
  expect(steps).toEqual(['plan']);
  // As far as it comes without a workflow.
  await expect(byWorkflow(true, steps)).rejects.toMatchObject({ code: 'workflow-missing' });
  expect(steps).toEqual(['plan']);
});

it('what a plan counts is what the run does, and its time has the pace of its own statements in it', async () => {
  const planned = await plan(box.context, options());
  const expected = await forecast(box.context, planned);
  const slower = await forecast(box.context, { ...planned, statementMillis: planned.statementMillis + 1000 });
  expect(planned.statementMillis).toBeGreaterThan(0);
  expect((slower.minutes - expected.minutes) * 60).toBeCloseTo(24);
  await box.kmsCalls();
  const report = await run(box.context, options(), silent, { rejected: true });
  const asItRan = { ...planned, statementMillis: report.statement_millis ?? 0 };
  expect(report.statement_millis).toBeGreaterThan(0);
  expect(report.planned.minutes).toBe((await forecast(box.context, asItRan)).minutes);
  expect(report).toMatchObject({
    selected: planned.selected,
    distinct_deks: planned.distinctDeks,
    kms_calls: expected.kmsCalls,
  });
  expect(planned).toMatchObject({ selected: 40, distinctDeks: 1 });
  // Cloud KMS's own count.
  expect(await box.kmsCalls()).toBe(expected.kmsCalls);
});

import { runContext } from '../../jobs/cli/connect.ts';
import type { RunContext } from '../../jobs/run/context.ts';
import type { TestSandbox } from './sandbox.ts';

/** A job of BigQuery that does not end until it is cancelled: one whose SQL has a text, or a load job; the first of them or a later one. */
export interface StuckJob {
  readonly sql?: string;
  readonly of?: 'load';
  readonly from?: number;
}

/** Has such a job get stuck, and resolves with a function that waits until it is. */
export async function stuckJob(box: TestSandbox, job: StuckJob): Promise<() => Promise<void>> {
  await box.faults({ kind: 'job-stuck', service: 'bigquery', ...job });
  return async () => {
    const hits = async () => {
      const { rules } = (await box.control('faults')) as { rules: { hits: number }[] };
      return rules[0]?.hits ?? 0;
    };
    while ((await hits()) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  };
}

/** Does the work until a job of it is stuck, and gives the signal then. */
export async function interruptedAt<T>(
  box: TestSandbox,
  job: StuckJob,
  work: (context: RunContext) => Promise<T>,
): Promise<T> {
  const isStuck = await stuckJob(box, job);
  const interrupt = new AbortController();
  const target = { deployment: box.deployment, endpoints: box.sandbox.endpoints };
  const working = work(await runContext(target, interrupt.signal));
  working.catch(() => {});
  await isStuck();
  interrupt.abort();
  try {
    return await working;
  } finally {
    await box.faults();
  }
}

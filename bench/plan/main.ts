/**
 * `npm run bench:plan`: what a plan says of a run with the direct engine, and what the run then takes, on a sandbox:
 * seconds from plan to merge, their ratio, and KMS calls, which have to be equal.
 */
import { join } from 'node:path';
import { runContext } from '../../jobs/cli/connect.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import { forecast } from '../../jobs/run/forecast.ts';
import { plan } from '../../jobs/run/plan.ts';
import { run } from '../../jobs/run/run.ts';
import { writeManyUsers } from '../support/many-users.ts';
import { inScratch, stackWith } from '../support/stack.ts';

/** Rows and data keys: few of both, bound by KMS, bound by sealing. */
const SIZES = [
  [1_000, 224],
  [20_000, 2_400],
  [200_000, 1_000],
] as const;

await inScratch(async (folder) => {
  process.stdout.write('   rows   data keys    planned      took   ratio   KMS calls: planned, made\n');
  for (const [rows, deks] of SIZES) {
    const files = await writeManyUsers(folder, rows, deks);
    const { sandbox, deployment } = await stackWith(join(folder, String(rows)), files);
    const target = { deployment, endpoints: sandbox.endpoints };
    const context = await runContext(target, new AbortController().signal);
    const options = { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' } as const;
    const steps: string[] = [];
    const { minutes, kmsCalls } = await forecast(context, await plan(context, options));
    const report = await run(context, options, {
      async step(name, work) {
        const from = performance.now();
        const result = await work(() => {});
        steps.push(`${name} ${((performance.now() - from) / 1000).toFixed(2)}`);
        return result;
      },
    });
    await sandbox.stop();
    const planned = minutes * 60;
    const took = report.seconds ?? 0;
    const cells = [
      rows,
      deks,
      `${planned.toFixed(2)} s`,
      `${took.toFixed(2)} s`,
      (planned / took).toFixed(2),
    ];
    process.stdout.write(
      `${cells.map((cell, at) => String(cell).padStart([7, 11, 10, 9, 7][at] ?? 0)).join(' ')}   ${kmsCalls}, ${report.kms_calls}   (${steps.join(', ')})\n`,
    );
  }
});

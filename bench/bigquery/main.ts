/**
 * `npm run bench:bigquery [-- ROWS [DEKS [KEYING]]]`: what a run inside BigQuery asks of the job: its CPU a row, its memory
 * and the calls of Cloud KMS. The sandbox, in the place of BigQuery, is a process of its own, whose figures say nothing of
 * BigQuery's.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeManyUsers } from '../support/many-users.ts';
import { JOB_FLAGS, node, processCpu } from '../support/processes.ts';
import { inScratch, stackWith } from '../support/stack.ts';

const [rows, deks] = [Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 1_000)];
const keying = process.argv[4] ?? 'shared';
const job = fileURLToPath(new URL('../support/job.ts', import.meta.url));

await inScratch(async (folder) => {
  const files = await writeManyUsers(folder, rows, deks);
  const { sandbox, sandboxFile } = await stackWith(join(folder, keying), files, { keying });
  const idle = processCpu(sandbox.pid);
  const { report, seconds, cpu, maxRssKb } = JSON.parse(node(JOB_FLAGS, job, sandboxFile, 'bigquery'));
  const micros = (cpuSeconds: number): string => ((cpuSeconds * 1e6) / rows).toFixed(2);
  process.stdout.write(
    `${keying} keying, ${report.merged} of ${rows} rows under ${deks} data keys, ${report.kms_calls} KMS calls, ${seconds.toFixed(1)} s\n` +
      `  CPU: job ${cpu.toFixed(2)} s, ${micros(cpu)} µs a row; sandbox ${micros(processCpu(sandbox.pid) - idle)} µs a row\n` +
      `  peak resident memory: job ${Math.round(maxRssKb / 1024)} MB\n`,
  );
  await sandbox.stop();
});

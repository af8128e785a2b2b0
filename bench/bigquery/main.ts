/**
 * `npm run bench:bigquery [-- ROWS [DEKS [KEYING]]]`: what runs inside BigQuery ask of the job, over ROWS rows and over a
 * fifth of them under as many data keys: CPU, memory and the calls of Cloud KMS of each, and the CPU of a further row, which
 * is what grows with a table. The sandbox, in the place of BigQuery, is a process of its own, whose figures say nothing of
 * BigQuery's.
 */
import { join } from 'node:path';
import { writeManyUsers } from '../support/many-users.ts';
import { processCpu, trigger } from '../support/processes.ts';
import { inScratch, stackWith } from '../support/stack.ts';

const [rows, deks] = [Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 1_000)];
const keying = process.argv[4] ?? 'shared';
const few = Math.round(rows / 5);

/** One run over so many rows; the job's CPU seconds. */
async function measured(folder: string, count: number): Promise<number> {
  const files = await writeManyUsers(folder, count, deks);
  const state = join(folder, String(count));
  const { sandbox } = await stackWith(state, files, { keying });
  const idle = processCpu(sandbox.pid);
  const { report, seconds, cpu, maxRssKb } = trigger(state, 'bigquery');
  const micros = (cpuSeconds: number): string => ((cpuSeconds * 1e6) / count).toFixed(2);
  process.stdout.write(
    `${keying} keying, ${report.merged} of ${count} rows under ${deks} data keys, ${report.kms_calls} KMS calls, ${seconds.toFixed(1)} s\n` +
      `  CPU: job ${cpu.toFixed(2)} s, ${micros(cpu)} µs a row; sandbox ${micros(processCpu(sandbox.pid) - idle)} µs a row\n` +
      `  peak resident memory: job ${Math.round(maxRssKb / 1024)} MB\n`,
  );
  await sandbox.stop();
  return cpu;
}

await inScratch(async (folder) => {
  const [less, all] = [await measured(folder, few), await measured(folder, rows)];
  const further = ((all - less) * 1e6) / (rows - few);
  process.stdout.write(`CPU of the job, µs a further row: ${further.toFixed(2)}\n`);
});

/**
 * `npm run bench [-- ROWS [KEYING]]`: rows a second, CPU and memory of the direct engine, end to end, beside the crypto
 * alone. The job and the sandbox are processes of their own, so each one's CPU is known.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KEYINGS } from '../../jobs/contract/settings/choices.ts';
import { writeManyUsers } from '../support/many-users.ts';
import { node, processCpu, processPeakMb, type Triggered, trigger } from '../support/processes.ts';
import { inScratch, stackWith } from '../support/stack.ts';

const rows = Number(process.argv[2] ?? 200_000);
const keyings = KEYINGS.filter((keying) => keying === (process.argv[3] ?? keying));
const DEKS = 1000;
const crypto = fileURLToPath(new URL('./crypto.ts', import.meta.url));

/** How long each step took, seconds. */
function steps(report: Triggered['report']): string[] {
  const ends = { plan: 'staging_at', stage: 'staged_at', verify: 'verified_at', merge: 'merged_at' } as const;
  let from = Date.parse(report.started_at);
  return Object.entries(ends).map(([step, end]) => {
    const took = (Date.parse(report[end]) - from) / 1000;
    from = Date.parse(report[end]);
    return `${step} ${took.toFixed(1)}`;
  });
}

const print = (text: string): boolean => process.stdout.write(`${text}\n`);
await inScratch(async (folder) => {
  const files = await writeManyUsers(folder, rows, DEKS);
  for (const keying of keyings) {
    const config = { keying, storePlaintext: 'false' };
    const state = join(folder, keying);
    const { sandbox, deployment } = await stackWith(state, files, config);
    const idle = processCpu(sandbox.pid);
    const { report, seconds, cpu, maxRssKb } = trigger(state, 'direct');
    const sandboxCpu = processCpu(sandbox.pid) - idle;
    const peak = processPeakMb(sandbox.pid);
    const verified = String(Math.min(rows, deployment.verifyRows));
    // The crypto alone runs in a Node as it comes.
    const alone = Number(node(crypto, String(rows), keying, verified, String(report.read_back.checked)));
    await sandbox.stop();
    const micros = (cpuSeconds: number): string => ((cpuSeconds * 1e6) / rows).toFixed(1);
    print(
      `${keying} keying, ${report.merged} of ${rows} rows under ${DEKS} data keys, ${report.kms_calls} KMS calls`,
    );
    print(
      `  ${Math.round(rows / seconds)} rows/s end to end (${seconds.toFixed(1)} s: ${steps(report).join(', ')})`,
    );
    print(
      `  CPU µs a row: job ${micros(cpu)} + sandbox ${micros(sandboxCpu)} = ${micros(cpu + sandboxCpu)}; ${keying === 'deterministic' ? 'node:crypto and @noble/ciphers' : 'node:crypto'} alone ${micros(alone)}`,
    );
    print(
      `  job and sandbox / crypto alone: ${((cpu + sandboxCpu) / alone).toFixed(2)}; job / crypto alone: ${(cpu / alone).toFixed(2)}`,
    );
    print(`  peak resident memory: job ${Math.round(maxRssKb / 1024)} MB, sandbox ${Math.round(peak)} MB`);
  }
});

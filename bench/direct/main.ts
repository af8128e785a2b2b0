/**
 * `npm run bench [-- ROWS [KEYING]]`: rows a second, CPU and memory of the direct engine, end to end, beside the crypto
 * alone. The job and the sandbox are processes of their own, so each one's CPU is known.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDeployment } from '../../jobs/contract/deployment.ts';
import { KEYINGS } from '../../jobs/contract/settings/choices.ts';
import { startSandbox } from '../../sandbox/process/start.ts';
import { importKek, loadUsers } from '../../sandbox/users/load.ts';
import { writeUsers } from '../users.ts';

const rows = Number(process.argv[2] ?? 200_000);
const keyings = KEYINGS.filter((keying) => keying === (process.argv[3] ?? keying));
const DEKS = 1000;
/** A tick of /proc/PID/stat is a hundredth of a second on every Linux that Node supports. */
const TICKS = 100;

/** The job has the flags of `npm run trigger`; the crypto alone runs in a Node as it comes. */
const JOB_FLAGS = ['--single-threaded-gc'];

const node = (flags: string[], name: string, ...args: string[]): string =>
  execFileSync(
    process.execPath,
    [...flags, '--import', 'tsx', fileURLToPath(new URL(name, import.meta.url)), ...args],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );

function processCpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function processPeakMb(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

const print = (text: string): boolean => process.stdout.write(`${text}\n`);
const folder = mkdtempSync(join(tmpdir(), 'reseal-bench-'));
try {
  const files = await writeUsers(folder, rows, DEKS);
  for (const keying of keyings) {
    const state = join(folder, keying);
    const config = { keying, storePlaintext: 'false' };
    const sandbox = await startSandbox({ state, stack: 'dev', config, fresh: false });
    const deployment = parseDeployment(sandbox.outputs);
    await importKek(sandbox.owner, deployment, files.kek);
    await loadUsers(sandbox.owner, deployment, files.users);
    const idle = processCpu(sandbox.pid);
    const { report, steps, seconds, cpu, maxRssKb } = JSON.parse(
      node(JOB_FLAGS, './job.ts', join(state, 'sandbox.json')),
    );
    const sandboxCpu = processCpu(sandbox.pid) - idle;
    const peak = processPeakMb(sandbox.pid);
    const verified = String(Math.min(rows, deployment.verifyRows));
    const crypto = Number(
      node([], './crypto.ts', String(rows), keying, verified, String(report.read_back.checked)),
    );
    await sandbox.stop();
    const micros = (cpuSeconds: number): string => ((cpuSeconds * 1e6) / rows).toFixed(1);
    print(
      `${keying} keying, ${report.merged} of ${rows} rows under ${DEKS} data keys, ${report.kms_calls} KMS calls`,
    );
    print(
      `  ${Math.round(rows / seconds)} rows/s end to end (${seconds.toFixed(1)} s: ${Object.entries(
        steps as Record<string, number>,
      )
        .map(([step, s]) => `${step} ${s.toFixed(1)}`)
        .join(', ')})`,
    );
    print(
      `  CPU µs a row: job ${micros(cpu)} + sandbox ${micros(sandboxCpu)} = ${micros(cpu + sandboxCpu)}; node:crypto alone ${micros(crypto)}`,
    );
    print(
      `  job and sandbox / crypto alone: ${((cpu + sandboxCpu) / crypto).toFixed(2)}; job / crypto alone: ${(cpu / crypto).toFixed(2)}`,
    );
    print(`  peak resident memory: job ${Math.round(maxRssKb / 1024)} MB, sandbox ${Math.round(peak)} MB`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * `npm run bench:cold`: what `trigger --fresh --engine dataproc` waits for on the sample of 1,000 users, step by step: the
 * median of three runs of the wall seconds between its lines. The batch is a real Spark with the real connector.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { inScratch } from '../support/stack.ts';

const RUNS = 3;
/** Each step ends with the first line that matches, and the next begins there. */
const STEPS: [name: string, end: RegExp][] = [
  ['Node, and the first words', /^starting the sandbox/],
  ['the sandbox, the Pulumi program, the users', /loaded the sample users/],
  ['plan', /^plan /],
  ['keyset, network, the batch is submitted', /^stage .* is running/],
  ["Spark's JVM, Python, the application's first words", /^stage .* is running, /],
  ['the connector, KMS calls, sealing, Parquet files, the load job, counts', /^stage +staged/],
  ['verify, merge, report', /^run +\S/],
];

/** Seconds of each step of one run. */
async function timed(state: string): Promise<number[]> {
  const args = ['--single-threaded-gc', 'bin/reseal.js', 'trigger', '--fresh', '--engine', 'dataproc'];
  let from = performance.now();
  const child = spawn(process.execPath, [...args, '--state', state], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ends: number[] = [];
  const said: string[] = [];
  // What the sandbox says of itself stands on the other stream.
  for (const input of [child.stdout, child.stderr])
    createInterface({ input }).on('line', (line) => {
      said.push(line);
      if (!STEPS[ends.length]?.[1].test(line)) return;
      ends.push((performance.now() - from) / 1000);
      from = performance.now();
    });
  await once(child, 'close');
  if (ends.length < STEPS.length)
    throw new Error(`no line ended "${STEPS[ends.length]?.[0]}":\n${said.join('\n')}`);
  return ends;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

await ensureVenv();
await inScratch(async (folder) => {
  const runs: number[][] = [];
  // The first batch of an environment writes its archive of classes, and is not counted.
  for (let run = 0; run <= RUNS; run++) runs.push(await timed(join(folder, String(run))));
  const medians = STEPS.map(
    ([name], step) => [name, median(runs.slice(1).map((of) => of[step] ?? 0))] as const,
  );
  for (const [name, seconds] of medians)
    process.stdout.write(`${seconds.toFixed(1).padStart(6)} s  ${name}\n`);
  const total = medians.reduce((sum, [, seconds]) => sum + seconds, 0);
  process.stdout.write(`${total.toFixed(1).padStart(6)} s  together\n`);
});

import { runProgram } from '../programs/program.ts';
import type { DriverOutput } from './batches.ts';

/** How long a cancelled program has to end by itself. */
const GRACE_MS = 5000;

/**
 * Runs a program as the batch's driver: what it prints is the driver's output. Throws where it ends with
 * another status than 0; a cancelled one is ended with everything that it started.
 */
export async function runDriver(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  output: DriverOutput,
  signal: AbortSignal,
): Promise<void> {
  const ending = await runProgram({
    command,
    args,
    env: { ...process.env, ...env },
    stop: signal,
    graceMs: GRACE_MS,
    line: (text) => output.write(`${text}\n`),
  });
  if (ending === 0) return;
  throw new Error(`Job failed with message [the driver ended with ${ending}]. See the driver's output.`);
}

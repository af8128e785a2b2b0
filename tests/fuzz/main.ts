import { Command } from 'commander';
import { ensureVenv } from '../../jobs/spark/venv.ts';
import { fuzz } from './fuzz.ts';

/** `npm run fuzz -- --inputs N --seed S`: ends with 1 if there is a finding, and shows each kind once. */
const whole = (text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${text} is no whole number`);
  return Number(text);
};
const { inputs, seed, target } = new Command('fuzz')
  .description('gives mutated inputs to everything that reads what others wrote')
  .option('--inputs <n>', 'how many', whole, 200_000)
  .option('--seed <n>', 'the same seed makes the same inputs', whole, 1)
  .option('--target <name...>', 'only these: sources, deks, keysets, patterns, files, http, sql')
  .parse()
  .opts<{ inputs: number; seed: number; target?: string[] }>();

const said = (line: string): boolean => process.stdout.write(`${line}\n`);
const findings = await fuzz({
  inputs,
  seed,
  python: await ensureVenv(),
  said,
  ...(target && { targets: target }),
});
const kinds = new Map<string, { count: number; input: unknown }>();
for (const { what, input } of findings) {
  const kind = what.replace(/[0-9a-f]{16}|\d+/g, '#');
  kinds.set(kind, { input, ...kinds.get(kind), count: (kinds.get(kind)?.count ?? 0) + 1 });
}
for (const [kind, { count, input }] of kinds)
  said(`${count} x ${kind}\n  ${JSON.stringify(input).slice(0, 3000)}`);
said(`${inputs} inputs of seed ${seed}: ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;

import { Command, Option } from 'commander';
import fc from 'fast-check';
import { ENGINES, type EngineName } from '../../jobs/contract/settings/choices.ts';
import type { DataprocWork } from '../../sandbox/state/dataproc-work.ts';
import { calm, calmOf } from './calm.ts';
import { anyCase, type Undisturbed } from './fault-cases.ts';
import { underFaults } from './faults.ts';
import { chosen, described, everywhere, trial } from './kills.ts';
import { race } from './races.ts';
import { volume } from './volume.ts';
import { deployedWorld, type World } from './world.ts';

/**
 * Brings runs into trouble and goes on with them: `npm run chaos -- --kills 20 --seed 7`. Exit code 1 where one of
 * them left anything else than a run does that nothing befell.
 */
interface Options {
  kills: string;
  faults: string;
  races: string;
  rows: string;
  failing: string;
  seed: string;
  engine?: EngineName;
  batches: DataprocWork;
  every: boolean;
  waveDeks?: string;
}

const options = new Command('chaos')
  .description('Kills runs by SIGKILL or lets calls fail, resumes them, and compares with an undisturbed run')
  .option('--every', 'kill before and after every external call, once each', false)
  .option('--kills <n>', 'so many kills, at calls and at any moment', '0')
  .option('--faults <n>', 'so many runs of all engines under one or two faults of any kinds', '0')
  .option('--races <n>', 'so many runs, one, two and five at once, beside an application that writes', '0')
  .option('--rows <n>', 'one run over so many rows, of which one in a hundred is rejected', '0')
  .option('--failing <share>', 'of the calls of that run', '0.02')
  .option('--seed <n>', 'which', '1')
  .option('--wave-deks <n>', 'data keys a wave, of two in all; all at once unless given')
  .addOption(
    new Option(
      '--engine <name>',
      'of all these runs; without it direct is killed, and faults strike any',
    ).choices([...ENGINES]),
  )
  .addOption(
    new Option('--batches <work>', 'what does the work of batches')
      .choices(['spark', 'direct'])
      .default('spark'),
  )
  .parse()
  .opts<Options>();

const said = (line: string): boolean => process.stdout.write(`${line}\n`);
const seed = Number(options.seed);
let wrong = 0;
/** The end of a line that says what came of a trial. */
function verdict(found: readonly string[]): string {
  if (found.length === 0) return 'right';
  wrong++;
  return `WRONG\n    ${found.join('\n    ')}`;
}

if (options.every || options.kills !== '0') await inWorld(kills);
if (options.faults !== '0') await inWorld(faults);
if (options.races !== '0') await races();
if (options.rows !== '0') await rows();
// What runs of a killed sandbox still wait for does not matter any more.
process.exit(wrong === 0 ? 0 : 1);

async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const world = await deployedWorld(options.batches, Number(options.waveDeks) || null);
  try {
    await work(world);
  } finally {
    world.close();
  }
}

async function kills(world: World): Promise<void> {
  const { engine = 'direct' } = options;
  const undisturbed = await calm(world, engine);
  const calls = everywhere(undisturbed.methods);
  const list = [...(options.every ? calls : []), ...chosen(undisturbed, Number(options.kills), seed)];
  said(`${list.length} kills; an undisturbed run makes ${calls.length / 4} calls`);
  let reached = 0;
  for (const [at, kill] of list.entries()) {
    const result = await trial(world, engine, kill, undisturbed.outcome);
    if (result.reached) reached++;
    const where = result.reached ? (result.found ?? 'before the ledger') : 'run was over';
    said(`${at + 1} ${described(kill)} (${where}): ${verdict(result.wrong)}`);
  }
  said(`${list.length} kills, ${reached} met a run, ${wrong} ended wrong`);
}

async function faults(world: World): Promise<void> {
  const count = Number(options.faults);
  const undisturbed: Undisturbed = await calmOf(world, options.engine ? [options.engine] : ENGINES);
  const ends = new Map<string, number>();
  const before = wrong;
  for (const [at, one] of fc.sample(anyCase(undisturbed, true), { numRuns: count, seed }).entries()) {
    const { ended, ms, wrong: found } = await underFaults(world, undisturbed, one);
    ends.set(ended, (ends.get(ended) ?? 0) + 1);
    said(`${at + 1} ${JSON.stringify(one)} (${ended}, ${Math.round(ms)} ms): ${verdict(found)}`);
  }
  const all = [...ends].map(([end, times]) => `${times} ${end}`).join(', ');
  said(`${count} runs under faults: ${all}; ${wrong - before} ended wrong`);
}

async function races(): Promise<void> {
  const runs = Number(options.races);
  for (const together of [1, 2, 5]) {
    const { writes, ends, wrong: found } = await race({ rows: 40, runs, together, writer: true, seed });
    said(
      `${runs} runs, ${together} at once, beside ${writes} writes: ${JSON.stringify(ends)}: ${verdict(found)}`,
    );
  }
}

async function rows(): Promise<void> {
  const size = { rows: Number(options.rows), rejectedEvery: 100, failing: Number(options.failing), seed };
  const found = await volume({ ...size, said });
  said(`${options.rows} rows: ${verdict(found)}`);
}

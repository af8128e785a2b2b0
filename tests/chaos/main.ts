import { Command, Option } from 'commander';
import type { DataprocWork } from '../../sandbox/dataproc/work.ts';
import { chosen, described, trial, uninterrupted } from './kills.ts';
import { deployedWorld } from './world.ts';

/**
 * Kills runs and goes on with them: `npm run chaos -- --kills 20 --seed 7`. Exit code 1 where one of them left
 * anything else than an uninterrupted run does.
 */
interface Options {
  kills: string;
  seed: string;
  engine: 'direct' | 'dataproc';
  batches: DataprocWork;
  every: boolean;
}

const { kills, seed, engine, batches, every } = new Command('chaos')
  .description('Kills runs by SIGKILL, resumes them, and compares with an uninterrupted run')
  .option('--kills <n>', 'how many', '20')
  .option('--seed <n>', 'which', '1')
  .option('--every', 'before and after every external call, once each, before the random ones', false)
  .addOption(new Option('--engine <name>').choices(['direct', 'dataproc']).default('direct'))
  .addOption(
    new Option('--batches <work>', 'what does the work of batches')
      .choices(['spark', 'direct'])
      .default('spark'),
  )
  .parse()
  .opts<Options>();

const world = await deployedWorld(batches);
try {
  const calm = await uninterrupted(world, engine);
  const list = [...(every ? calm.calls : []), ...chosen(calm, Number(kills), Number(seed))];
  process.stdout.write(`${list.length} kills; an uninterrupted run makes ${calm.calls.length / 4} calls\n`);
  let [wrong, reached] = [0, 0];
  for (const [at, kill] of list.entries()) {
    const result = await trial(world, engine, kill, calm.outcome);
    if (result.reached) reached++;
    if (result.wrong.length > 0) wrong++;
    const said = result.wrong.length === 0 ? 'right' : `WRONG\n    ${result.wrong.join('\n    ')}`;
    const where = result.reached ? (result.found ?? 'before the ledger') : 'run was over';
    process.stdout.write(`${at + 1} ${described(kill)} (${where}): ${said}\n`);
  }
  process.stdout.write(`${list.length} kills, ${reached} met a run, ${wrong} ended wrong\n`);
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  world.close();
}
// What runs of a killed sandbox still wait for does not matter any more.
process.exit();

/**
 * `npm run bench:billion [-- DEKS]`: what a plan says of 1,000,000,000 values under so many data keys (1,000,000), by each
 * engine, with the prices that it goes by. Nothing runs: BigQuery's bytes are those that dry runs over a table of 100,000
 * generated rows on the sandbox say, as many times over as the billion has more rows.
 */
import { join } from 'node:path';
import { runContext } from '../../jobs/cli/connect.ts';
import { enginesTable } from '../../jobs/cli/show-plan.ts';
import { newRunId } from '../../jobs/contract/ids.ts';
import {
  DCU_USD_PER_HOUR,
  KMS_USD_PER_CALL,
  PRICES_AS_OF,
  QUERY_USD_PER_TIB,
} from '../../jobs/contract/prices.ts';
import { ENGINES } from '../../jobs/contract/settings/choices.ts';
import { estimate } from '../../jobs/run/cost.ts';
import { plan } from '../../jobs/run/plan.ts';
import { scanned } from '../../jobs/run/scanned.ts';
import { writeManyUsers } from '../support/many-users.ts';
import { inScratch, stackWith } from '../support/stack.ts';

const ROWS = 1_000_000_000;
const SAMPLE = 100_000;
const deks = Number(process.argv[2] ?? 1_000_000);

await inScratch(async (folder) => {
  const files = await writeManyUsers(folder, SAMPLE, Math.min(deks, 1_000));
  const { sandbox, deployment } = await stackWith(join(folder, 'state'), files);
  const target = { deployment, endpoints: sandbox.endpoints };
  const context = await runContext(target, new AbortController().signal);
  const small = await plan(context, { runId: newRunId(), mode: 'pending', limit: null, engine: 'direct' });
  const bytes = await scanned(context, small, ENGINES);
  const { maxExecutors, kmsCallsPerSecond } = deployment.batch;
  const work = { ...small, selected: ROWS, distinctDeks: deks, maxExecutors, kmsCallsPerSecond };
  const times = ROWS / SAMPLE;
  const estimates = ENGINES.map((engine) => {
    const all = bytes[engine].bytes * times;
    return [engine, estimate({ ...work, engine }, { bytes: all, billed: all })] as const;
  });
  await sandbox.stop();
  process.stdout.write(
    `${ROWS.toLocaleString('en')} values under ${deks.toLocaleString('en')} data keys, ${kmsCallsPerSecond} KMS calls a second, at most ${maxExecutors} executors\n` +
      enginesTable(new Map(estimates)) +
      `prices as of ${PRICES_AS_OF}: US$ ${(KMS_USD_PER_CALL * 10_000).toFixed(2)} for 10,000 KMS calls, ${DCU_USD_PER_HOUR} a DCU-hour, ${QUERY_USD_PER_TIB} a TiB that BigQuery reads\n`,
  );
});

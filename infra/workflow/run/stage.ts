import type { Deployment } from '../../../jobs/contract/deployment.ts';
import { allIds, type Statements } from '../../../jobs/contract/sql/index.ts';
import { counted } from '../counting.ts';
import { assign, call, choose, expression, query, type Step } from '../steps.ts';
import { ATTEMPT, takesBatches } from './values.ts';

/** Has a batch seal the values of the wave at hand, where it has any. */
export const stage = (d: Deployment, sql: Statements): Step[] => [
  { is_only_wave: choose({ 'waves == 1': 'expect_nothing' }) },
  {
    count_wave: counted({
      mode: 'row.mode',
      snapshot_millis: 'row.snapshot',
      id_from: `default(map.get(row, "id_from"), "${allIds(d).id_from}")`,
      id_cutoff: 'row.id_cutoff',
      keyset_version: 'row.keyset_version',
      wave: 'string(wave)',
      waves: 'string(waves)',
    }),
  },
  { keep_count: assign({ selected: expression('counted.selected') }) },
  // Only a batch has a usage.
  {
    expect_nothing: assign({
      usage: { dataproc: '0', bigquery: '' },
      outcome: { id: '', kms_calls: '0', milli_dcu_seconds: expression('map.get(usage, row.engine)') },
    }),
  },
  ...(takesBatches(d) ? [{ has_values: choose({ 'selected != "0"': 'run_batch' }) }] : []),
  {
    mark_staging: {
      ...query(sql.markStaging, { ...ATTEMPT, owner: 'owner', batch_id: 'outcome.id' }),
      next: 'mark_staged',
    },
  },
  ...(takesBatches(d) ? [RUN_BATCH] : []),
];

const RUN_BATCH: Step = {
  run_batch: call(
    'batch',
    {
      run_id: expression('run_id'),
      wave_id: expression('wave_id'),
      wave: expression('wave'),
      waves: expression('waves'),
      owner: expression('owner'),
      mode: expression('row.mode'),
      plan: expression('row'),
      kms_key: expression('keyset.kms_key'),
    },
    'outcome',
  ),
};

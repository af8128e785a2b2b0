import type { Deployment } from '../../jobs/contract/deployment.ts';
import { statements } from '../../jobs/contract/sql/index.ts';
import { call, expression, query, type Subworkflow } from './steps.ts';

/** Reads a run's row of the ledger: the definition is to hold the list of its columns once. */
export const runRowSubworkflow = (d: Deployment): Subworkflow => ({
  params: ['run_id'],
  steps: [
    { read_row: query(statements(d).readRun, { run_id: 'run_id' }, 'found') },
    { return_row: { return: expression('found') } },
  ],
});

/** The call of it: the row of the run at hand, an empty map where the ledger has none. */
export const runRow = call('run_row', { run_id: expression('run_id') }, 'row');

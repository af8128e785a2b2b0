import type { Deployment } from '../../jobs/contract/deployment.ts';
import { statements } from '../../jobs/contract/sql/index.ts';
import { hold } from './run/hold.ts';
import { merge } from './run/merge.ts';
import { plan } from './run/plan.ts';
import { stage } from './run/stage.ts';
import { verify } from './run/verify.ts';
import type { Subworkflow } from './steps.ts';

/**
 * plan → stage → verify → merge, each step as the job has it, and from wherever the ledger says the run is. A run in
 * waves goes through the last three once a wave.
 */
export function runSubworkflow(d: Deployment): Subworkflow {
  const sql = statements(d);
  return {
    params: ['run_id', 'owner', 'mode', 'engine', 'row_limit', 'wave_deks', 'accept_rejected', 'take_over'],
    steps: [...plan(d, sql), ...hold(d, sql), ...stage(d, sql), ...verify(d, sql), ...merge(sql)],
  };
}

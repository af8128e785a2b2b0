import type { Deployment } from '../../../jobs/contract/deployment.ts';
import { fewKeys, workflowEngines } from '../../../jobs/contract/workflow-engines.ts';
import { assign, choose, type Step } from '../steps.ts';

/** Decides where the run's values are sealed, where its caller has left that open: `workflowEngine` in steps. */
export function chooseEngine(d: Deployment): Step[] {
  const [first = 'dataproc', ...others] = workflowEngines(d);
  if (others.length === 0) return [{ choose_engine: assign({ engine: first }) }];
  return [
    { choose_engine: choose({ 'engine != "auto"': 'take_one_wave' }) },
    { take_batch: assign({ engine: 'dataproc' }) },
    { has_few_keys: choose({ [`int(counted.distinct_deks) > ${fewKeys(d)}`]: 'take_one_wave' }) },
    { take_bigquery: assign({ engine: 'bigquery' }) },
  ];
}

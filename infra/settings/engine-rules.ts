import type { EngineName } from '../../jobs/contract/settings/choices.ts';
import { isProduction } from '../../jobs/contract/stack-name.ts';
import { type Rule, wrong } from './rule.ts';

/** The workflow has runs done by batches and by the job of Cloud Run: the direct engine is the caller's own process. */
const startsByItself = (engines: readonly EngineName[]): boolean =>
  engines.some((engine) => engine !== 'direct');

/** What `engines` has to name, and what is in vain without one of them. */
export const engineRules: Rule[] = [
  {
    reads: ['engines'],
    judge: ({ engines }, stack) =>
      isProduction(stack) && engines.includes('direct')
        ? wrong('engines', 'must not have direct in production')
        : [],
  },
  {
    reads: ['engines', 'jarFile'],
    judge: ({ engines, jarFile }) =>
      jarFile !== undefined && !engines.includes('dataproc')
        ? wrong('engines', 'must have dataproc with reseal:jarFile: a jar runs in batches')
        : [],
  },
  {
    // What nobody would see missing: the runs that do not start.
    reads: ['engines', 'schedule'],
    judge: ({ engines, schedule }) =>
      schedule.paused || startsByItself(engines)
        ? []
        : wrong(
            'schedule',
            'must be paused ({paused: true}) without dataproc or bigquery in reseal:engines: it starts no direct run',
          ),
  },
  {
    reads: ['engines', 'composerDagBucket'],
    judge: ({ engines, composerDagBucket }) =>
      composerDagBucket === undefined || startsByItself(engines)
        ? []
        : wrong(
            'composerDagBucket',
            'must not be set without dataproc or bigquery in reseal:engines: the DAG starts no direct run',
          ),
  },
];

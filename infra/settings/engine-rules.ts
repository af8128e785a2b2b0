import { isProduction } from '../../jobs/contract/stack-name.ts';
import { type Rule, wrong } from './rule.ts';

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
      schedule.paused || engines.includes('dataproc')
        ? []
        : wrong(
            'schedule',
            'must be paused ({paused: true}) without dataproc in reseal:engines: all that it starts is batches',
          ),
  },
  {
    reads: ['engines', 'composerDagBucket'],
    judge: ({ engines, composerDagBucket }) =>
      composerDagBucket === undefined || engines.includes('dataproc')
        ? []
        : wrong(
            'composerDagBucket',
            'must not be set without dataproc in reseal:engines: all that the DAG starts is batches',
          ),
  },
];

import * as gcp from '@pulumi/gcp';
import type * as pulumi from '@pulumi/pulumi';
import { RUN_COUNTS, RUN_EVENTS, RUN_RESOURCE, runFilter } from './entries.ts';

/** What is counted of a stack's runs. */
const METRICS = ['runs_succeeded', 'runs_failed', ...RUN_COUNTS] as const;
export type Metric = (typeof METRICS)[number];

const isCount = (metric: Metric): boolean => metric.startsWith('runs_');

/** A metric's name in the project: `reseal_prod_selected`. */
function metricName(stack: string, metric: Metric): string {
  return `reseal_${stack.replaceAll('-', '_')}_${metric}`;
}

/**
 * The metric as PromQL names it: a distribution by the sum of its values.
 * https://cloud.google.com/monitoring/promql/promql-mapping
 */
export function series(stack: string, metric: Metric): string {
  const name = `logging_googleapis_com:user_${metricName(stack, metric)}${isCount(metric) ? '' : '_sum'}`;
  return `${name}{monitored_resource="${RUN_RESOURCE}"}`;
}

/** The numbers of a finished run, as distributions: their sums are what charts show. */
const numbers = {
  metricDescriptor: { metricKind: 'DELTA', valueType: 'DISTRIBUTION', unit: '1' },
  bucketOptions: { exponentialBuckets: { numFiniteBuckets: 40, growthFactor: 2, scale: 1 } },
};

const runs = { metricDescriptor: { metricKind: 'DELTA', valueType: 'INT64', unit: '1' } };

/** Log-based metrics over the entries that runs write. */
export function createMetrics(
  project: pulumi.Input<string>,
  stack: string,
  options: pulumi.CustomResourceOptions,
): gcp.logging.Metric[] {
  return METRICS.map((metric) => {
    const event = metric === 'runs_failed' ? RUN_EVENTS.failed : RUN_EVENTS.succeeded;
    return new gcp.logging.Metric(
      metric,
      {
        project,
        name: metricName(stack, metric),
        description: isCount(metric) ? `Runs: ${event}` : `${metric} of the runs that succeeded`,
        filter: runFilter(stack, event),
        ...(isCount(metric) ? runs : { ...numbers, valueExtractor: `EXTRACT(jsonPayload.reseal.${metric})` }),
      },
      options,
    );
  });
}

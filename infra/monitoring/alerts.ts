import type * as gcp from '@pulumi/gcp';
import type { Settings } from '../settings.ts';
import { RUN_EVENTS, runFilter } from './entries.ts';
import { series } from './metrics.ts';

type Watched = Pick<Settings, 'stack' | 'alerts' | 'schedule' | 'composerDagBucket' | 'kmsQuotaPerMinute'>;
type Condition = gcp.types.input.monitoring.AlertPolicyCondition;

/** One alert: what has to happen, and what the person who is told should do. */
export interface Alert {
  name: string;
  title: string;
  severity: 'CRITICAL' | 'ERROR' | 'WARNING';
  condition: Omit<Condition, 'displayName'>;
  advice: string;
}

/** A policy that matches log entries needs a limit of its own on how often it notifies. */
export const matchesLog = (alert: Alert): boolean => alert.condition.conditionMatchedLog !== undefined;

/** A share as people write it: 0.07 × 100 is 7.000000000000001. */
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 10 });

const failedRun = ({ stack }: Watched): Alert => ({
  name: 'failed-run',
  title: 'a run failed',
  severity: 'ERROR',
  condition: { conditionMatchedLog: { filter: runFilter(stack, RUN_EVENTS.failed) } },
  advice:
    'The source table is as it was. The entry names the run and the code; docs/errors.md says what to do for each.',
});

/** Within the hour that follows the run; a run without a selected value has no share. */
const manyRejected = ({ stack, alerts }: Watched): Alert => ({
  name: 'rejected-share',
  title: `more than ${percent.format(alerts.rejectedShare)} of a run's values were rejected`,
  severity: 'WARNING',
  condition: {
    conditionPrometheusQueryLanguage: {
      query: `sum(increase(${series(stack, 'rejected')}[1h])) / sum(increase(${series(stack, 'selected')}[1h])) > ${alerts.rejectedShare}`,
      duration: '0s',
      evaluationInterval: '300s',
      disableMetricValidation: true,
    },
  },
  advice: 'The rejected table has the reason of each; docs/reasons.md says what each means.',
});

/**
 * 24 hours without a success, then an hour's grace: together the 25 hours that a PromQL condition may span,
 * and room for a run that takes longer than yesterday's.
 * https://cloud.google.com/monitoring/alerts/using-promql
 */
const noSuccess = ({ stack }: Watched): Alert => {
  return {
    name: 'no-successful-run',
    title: 'no run succeeded in a day',
    severity: 'CRITICAL',
    condition: {
      conditionPrometheusQueryLanguage: {
        query: `(sum(increase(${series(stack, 'runs_succeeded')}[24h])) or vector(0)) < 1`,
        duration: '3600s',
        evaluationInterval: '300s',
        // Before the first success there is no such metric, which is what this is to notice.
        disableMetricValidation: true,
      },
    },
    advice:
      'Look at the schedule, or at the DAG in Cloud Composer, and at the last execution of the workflow; `reseal history` lists the runs.',
  };
};

const kmsQuota = ({ kmsQuotaPerMinute, alerts }: Watched): Alert => ({
  name: 'kms-quota',
  title: `Cloud KMS use is above ${percent.format(alerts.kmsQuotaShare)} of its quota`,
  severity: 'WARNING',
  condition: {
    conditionThreshold: {
      filter: [
        'resource.type="consumer_quota"',
        'resource.label.service="cloudkms.googleapis.com"',
        'metric.type="serviceruntime.googleapis.com/quota/rate/net_usage"',
      ].join(' AND '),
      aggregations: [
        {
          alignmentPeriod: '60s',
          perSeriesAligner: 'ALIGN_RATE',
          crossSeriesReducer: 'REDUCE_SUM',
          groupByFields: ['metric.label.quota_metric', 'resource.label.location'],
        },
      ],
      comparison: 'COMPARISON_GT',
      // The aligned rate is a second's.
      thresholdValue: (kmsQuotaPerMinute * alerts.kmsQuotaShare) / 60,
      duration: '120s',
    },
  },
  advice:
    'Beyond the quota the application fails too. Lower reseal:kmsCallsPerSecond, or ask for more quota and raise reseal:kmsQuotaPerMinute.',
});

/** The alerts of a stack. Where nothing starts runs, neither the schedule nor Composer, none is due and none missing. */
export function alertsOf(watched: Watched): Alert[] {
  const always = [failedRun(watched), manyRejected(watched), kmsQuota(watched)];
  const due = !watched.schedule.paused || watched.composerDagBucket !== undefined;
  return due ? [...always, noSuccess(watched)] : always;
}

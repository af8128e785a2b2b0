import { workflowId } from '../workflow.ts';
import { RUN_RESOURCE } from './entries.ts';
import { type Metric, series } from './metrics.ts';

/** One chart: what each metric came to within the last 24 hours. */
const chart = (title: string, stack: string, metrics: Metric[]) => ({
  title,
  xyChart: {
    dataSets: metrics.map((metric) => ({
      plotType: 'LINE',
      targetAxis: 'Y1',
      legendTemplate: metric.replaceAll('_', ' '),
      timeSeriesQuery: { prometheusQuery: `sum(increase(${series(stack, metric)}[1d]))` },
    })),
    yAxis: { scale: 'LINEAR' },
  },
});

/** The stack's dashboard: runs, values, calls, and the last entries that runs wrote. */
export function dashboard(stack: string): object {
  return {
    displayName: `Reseal ${stack}`,
    gridLayout: {
      columns: '2',
      widgets: [
        chart('Runs within a day', stack, ['runs_succeeded', 'runs_failed']),
        chart('Values within a day', stack, ['selected', 'merged', 'rejected']),
        chart('KMS calls within a day', stack, ['kms_calls']),
        {
          title: 'Entries of the runs',
          logsPanel: {
            filter: [
              `resource.type="${RUN_RESOURCE}"`,
              `resource.labels.workflow_id="${workflowId(stack)}"`,
              'jsonPayload.reseal.event:"run."',
            ].join('\n'),
          },
        },
      ],
    },
  };
}

import * as gcp from '@pulumi/gcp';
import { Component, type StackArgs } from './component.ts';
import { alertsOf, matchesLog } from './monitoring/alerts.ts';
import { dashboard } from './monitoring/dashboard.ts';
import { createMetrics } from './monitoring/metrics.ts';
import type { Settings } from './settings.ts';

export interface MonitoringArgs extends StackArgs {
  /** Shares above which somebody is told. */
  alerts: Settings['alerts'];
  /** No successful run in a day is only wrong while the schedule runs, or Composer starts runs. */
  schedule: Settings['schedule'];
  composerDagBucket?: Settings['composerDagBucket'];
  kmsQuotaPerMinute: number;
  /** Full names; without any the incidents still show in the console. */
  notificationChannels: string[];
}

/** Log-based metrics, alert policies and a dashboard over the entries that runs write. */
export class Monitoring extends Component {
  constructor(name: string, args: MonitoringArgs) {
    super('Monitoring', name);
    const { project, stack, labels, notificationChannels } = args;
    const metrics = createMetrics(project, stack, this.child);
    for (const alert of alertsOf(args))
      new gcp.monitoring.AlertPolicy(
        alert.name,
        {
          project,
          displayName: `Reseal ${stack}: ${alert.title}`,
          combiner: 'OR',
          severity: alert.severity,
          conditions: [{ ...alert.condition, displayName: alert.title }],
          documentation: { content: alert.advice, mimeType: 'text/markdown' },
          alertStrategy: {
            autoClose: '86400s',
            ...(matchesLog(alert) && { notificationRateLimit: { period: '3600s' } }),
          },
          notificationChannels,
          userLabels: labels,
        },
        { ...this.child, dependsOn: metrics },
      );
    new gcp.monitoring.Dashboard(
      'dashboard',
      { project, dashboardJson: JSON.stringify(dashboard(stack)) },
      { ...this.child, dependsOn: metrics },
    );
    this.registerOutputs({});
  }
}

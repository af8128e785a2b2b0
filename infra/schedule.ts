import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { Component, type StackArgs } from './component.ts';
import type { Settings } from './settings.ts';

export interface ScheduleArgs extends StackArgs {
  location: string;
  /** Full name of the workflow to start. */
  workflow: pulumi.Output<string>;
  /** E-mail of the service account that starts it; workflows.invoker is all it has. */
  serviceAccount: pulumi.Input<string>;
  /** When, in which time zone, and whether at all. */
  schedule: Settings['schedule'];
}

/** What the execution is started with: the workflow's own defaults. */
const ARGUMENT = JSON.stringify({ argument: '{}' });

/** Cloud Scheduler starts the workflow; a failed start is repeated as the seed's DAG did, 3 times 30 s apart. */
export class Schedule extends Component {
  constructor(name: string, args: ScheduleArgs) {
    super('Schedule', name);
    const { cron, timeZone, paused } = args.schedule;
    new gcp.cloudscheduler.Job(
      'schedule',
      {
        project: args.project,
        region: args.location,
        name: `reseal-${args.stack}`,
        description: 'Starts a run of Reseal',
        schedule: cron,
        timeZone,
        paused,
        attemptDeadline: '60s',
        retryConfig: { retryCount: 3, minBackoffDuration: '30s', maxBackoffDuration: '30s' },
        httpTarget: {
          httpMethod: 'POST',
          uri: pulumi.interpolate`https://workflowexecutions.googleapis.com/v1/${args.workflow}/executions`,
          headers: { 'Content-Type': 'application/json' },
          body: Buffer.from(ARGUMENT).toString('base64'),
          oauthToken: {
            serviceAccountEmail: args.serviceAccount,
            scope: 'https://www.googleapis.com/auth/cloud-platform',
          },
        },
      },
      this.child,
    );
    this.registerOutputs({});
  }
}

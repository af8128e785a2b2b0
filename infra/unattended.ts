import * as pulumi from '@pulumi/pulumi';
import { type Deployment, parseDeployment } from '../jobs/contract/deployment.ts';
import type { BatchApplication } from './application.ts';
import type { CloudRun } from './cloud-run.ts';
import type { StackArgs } from './component.ts';
import { Composer } from './composer.ts';
import type { Identity } from './identity.ts';
import { Monitoring } from './monitoring.ts';
import type { Outputs } from './outputs.ts';
import { Schedule } from './schedule.ts';
import type { Settings } from './settings.ts';
import { workflowSource } from './workflow/source.ts';
import { Workflow } from './workflow.ts';

type UnattendedArgs = Omit<Settings, keyof StackArgs> &
  StackArgs & {
    application: BatchApplication | undefined;
    cloudRun: CloudRun | undefined;
    identity: Identity;
    outputs: Outputs<Omit<Deployment, 'workflow'>>;
  };

/**
 * What runs by itself: the workflow, what starts it and what watches it. Nothing of it without something that
 * the workflow can have a run done by: the built-in application or a jar in a batch, or the job of Cloud Run.
 */
export function unattendedRuns(args: UnattendedArgs): Workflow | undefined {
  if ([args.application, args.jarFile, args.cloudRun].every((one) => one === undefined)) return undefined;
  const workflow = new Workflow('workflow', {
    ...args,
    source: pulumi
      .output({ ...args.outputs, workflow: null })
      .apply((all) => workflowSource(parseDeployment(all))),
    serviceAccount: args.identity.workflow,
  });
  new Schedule('schedule', { ...args, workflow: workflow.workflow, serviceAccount: args.identity.schedule });
  new Monitoring('monitoring', args);
  if (args.composerDagBucket !== undefined)
    new Composer('composer', { composerDagBucket: args.composerDagBucket, workflow: workflow.workflow });
  return workflow;
}

import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { Component, type StackArgs } from './component.ts';

export interface WorkflowArgs extends StackArgs {
  location: string;
  /** The definition, as infra/workflow/source.ts writes it for the stack. */
  source: pulumi.Input<string>;
  /** E-mail of the service account that it runs as. */
  serviceAccount: pulumi.Input<string>;
  deletionProtection: boolean;
}

/** The workflow's name within project and region; its log entries carry it. */
export const workflowId = (stack: string): string => `reseal-${stack}`;

/** The run as a Cloud Workflows definition: what the schedule, Composer and `--via workflow` start. */
export class Workflow extends Component {
  /** projects/…/locations/…/workflows/… */
  readonly workflow: pulumi.Output<string>;

  constructor(name: string, args: WorkflowArgs) {
    super('Workflow', name);
    const workflow = new gcp.workflows.Workflow(
      'workflow',
      {
        project: args.project,
        region: args.location,
        name: workflowId(args.stack),
        description: 'Plans, stages, verifies and merges one run of Reseal',
        serviceAccount: args.serviceAccount,
        sourceContents: args.source,
        // Cloud Logging gets errors alone: what calls carry, counts and names, the ledger has already. Whoever starts an
        // execution may have it log more, or record its variables, so none of these holds a secret.
        // https://cloud.google.com/workflows/docs/debug-steps
        callLogLevel: 'LOG_ERRORS_ONLY',
        deletionProtection: args.deletionProtection,
        labels: args.labels,
      },
      this.guarded(args.deletionProtection),
    );
    this.workflow = pulumi.interpolate`projects/${args.project}/locations/${args.location}/workflows/${workflow.name}`;
    this.registerOutputs({ workflow: this.workflow });
  }
}

import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { type Account, accountEmail, accountId } from '../jobs/contract/account-grants.ts';
import type { Carriers } from '../jobs/contract/carriers.ts';
import { Component, type StackArgs } from './component.ts';

export interface IdentityArgs extends StackArgs, Carriers {
  /** E-mail of an existing service account for the batches, in place of a created one. */
  serviceAccount?: string | undefined;
}

/**
 * Who acts where a stack has batches or the job of Cloud Run: one service account for each thing that does something by
 * itself, and no keys for any. Without either nothing does.
 */
export class Identity extends Component {
  /** E-mails; undefined for what the stack has not. */
  readonly batch: pulumi.Output<string> | undefined;
  readonly job: pulumi.Output<string> | undefined;
  readonly workflow: pulumi.Output<string>;
  readonly schedule: pulumi.Output<string>;

  constructor(name: string, args: IdentityArgs) {
    super('Identity', name);
    this.batch = args.batches ? this.ofBatches(args) : undefined;
    this.job = args.job
      ? this.account('job', args, 'Runs the job of Cloud Run: opens data keys, has BigQuery seal values')
      : undefined;
    this.workflow = this.account(
      'workflow',
      args,
      'Runs the workflow: plans, starts what seals values, merges',
    );
    this.schedule = this.account('schedule', args, 'Starts the workflow, and nothing else');
    const { batch, job, workflow, schedule } = this;
    this.registerOutputs({ batch, job, workflow, schedule });
  }

  private ofBatches(args: IdentityArgs): pulumi.Output<string> {
    return args.serviceAccount === undefined
      ? this.account('batch', args, 'Runs the batches: reads and seals values')
      : pulumi.output(args.serviceAccount);
  }

  private account(role: Account, { project, stack }: IdentityArgs, description: string) {
    const account = new gcp.serviceaccount.Account(
      `${role}-account`,
      { project, accountId: accountId(stack, role), displayName: `Reseal ${stack}: ${role}`, description },
      this.child,
    );
    // Known once the account is there, so that nothing names it before.
    return pulumi
      .all([account.accountId, project])
      .apply(([, id]) => accountEmail({ project: id, stack }, role));
  }
}

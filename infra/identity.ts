import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { type Account, accountEmail, accountId } from '../jobs/contract/account-grants.ts';
import { Component, type StackArgs } from './component.ts';

export interface IdentityArgs extends StackArgs {
  /** E-mail of an existing service account for the batches, in place of a created one. */
  serviceAccount?: string | undefined;
}

/**
 * Who acts where a stack has batches: one service account for each thing that does something by itself, and no keys for
 * any. Without them nothing does.
 */
export class Identity extends Component {
  /** E-mails. */
  readonly batch: pulumi.Output<string>;
  readonly workflow: pulumi.Output<string>;
  readonly schedule: pulumi.Output<string>;

  constructor(name: string, args: IdentityArgs) {
    super('Identity', name);
    this.batch =
      args.serviceAccount === undefined
        ? this.account('batch', args, 'Runs the batches: reads and seals values')
        : pulumi.output(args.serviceAccount);
    this.workflow = this.account('workflow', args, 'Runs the workflow: starts batches, merges');
    this.schedule = this.account('schedule', args, 'Starts the workflow, and nothing else');
    this.registerOutputs({ batch: this.batch, workflow: this.workflow, schedule: this.schedule });
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

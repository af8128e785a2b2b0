import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { ACCOUNTS, type Account, accountGrants } from '../jobs/contract/account-grants.ts';
import type { GrantTarget } from '../jobs/contract/job-user.ts';
import type { EngineName } from '../jobs/contract/settings/choices.ts';
import type { TableName } from '../jobs/contract/settings/table-settings.ts';
import type { CloudRun } from './cloud-run.ts';
import { Component, type StackArgs } from './component.ts';
import type { Identity } from './identity.ts';
import type { Keys } from './keys.ts';
import type { Storage } from './storage.ts';
import type { Warehouse } from './warehouse.ts';

export interface BindingsArgs extends StackArgs {
  location: string;
  engines: readonly EngineName[];
  /** The stack's own accounts; undefined where nothing starts by itself. */
  identity: Identity | undefined;
  keys: Keys;
  storage: Storage;
  warehouse: Warehouse;
  /** Undefined where the stack deploys no job. */
  cloudRun: CloudRun | undefined;
  /** E-mail of the group that may read the values. */
  readers?: string | undefined;
  /** Policy tag of the columns that may hold plaintext. */
  columnPolicyTag?: string | undefined;
  /** E-mail of a Cloud Composer environment's service account. */
  composer?: string | undefined;
}

/** The tables that roles stand on, by what the table of grants calls them. */
const TABLES: Partial<Record<GrantTarget, TableName>> = {
  'source table': 'source',
  'staging table': 'staging',
  'rejected table': 'rejected',
  'keysets table': 'keysets',
  'data keys table': 'dataKeys',
  'runs table': 'runs',
};

/** Who merges, and plans by what stands in the plaintext columns. */
const MERGES: ReadonlySet<Account> = new Set(['job', 'workflow']);

/** A service account's full name; one that is named in the settings may belong to another project, as its e-mail address shows. */
function fullName([project, email]: [string, string]): string {
  const owner = /@([^.]+)\.iam\.gserviceaccount\.com$/.exec(email)?.[1] ?? project;
  return `projects/${owner}/serviceAccounts/${email}`;
}

/**
 * Who may do what. Each role stands on the narrowest resource that takes it; docs/iam.md says why each is
 * needed. All are single members, so that bindings made elsewhere stay as they are.
 */
export class Bindings extends Component {
  private readonly args: BindingsArgs;

  constructor(name: string, args: BindingsArgs) {
    super('Bindings', name);
    this.args = args;
    if (args.identity !== undefined) this.accounts(args.identity);
    if (args.readers !== undefined) this.readers(`group:${args.readers}`);
    this.registerOutputs({});
  }

  /** What acts for the stack by itself, and Composer where that starts it. */
  private accounts(identity: Identity): void {
    const { engines, columnPolicyTag, composer } = this.args;
    for (const account of ACCOUNTS) {
      const email = identity[account];
      if (email === undefined) continue;
      const member = pulumi.interpolate`serviceAccount:${email}`;
      for (const { role, on } of accountGrants(account, engines))
        this.grant(account, role.replace('roles/', ''), on, member);
      if (columnPolicyTag !== undefined && MERGES.has(account))
        this.plaintext(account, columnPolicyTag, member);
    }
    if (composer !== undefined)
      this.onProject('composer', 'workflows.invoker', pulumi.interpolate`serviceAccount:${composer}`);
  }

  /** A role of the table that the job knows too. */
  private grant(who: string, role: string, on: GrantTarget, member: pulumi.Output<string>): void {
    const { identity, cloudRun } = this.args;
    const table = TABLES[on];
    if (table !== undefined) this.onTable(who, table, role, member);
    else if (on === 'project') this.onProject(who, role, member);
    else if (on === 'read dataset') this.onReadDataset(who, role, member);
    else if (on === "the stack's bucket") this.onBucket(who, role, member);
    else if (on === 'source key') this.onKey(who, 'source', role, member);
    else if (on === 'BigQuery key') this.onKey(who, 'bigquery', role, member);
    else if (on === "the batch's account") this.onBatchAccount(who, identity?.batch, role, member);
    else if (on === 'Cloud Run job') this.onCloudRunJob(who, cloudRun, role, member);
    else throw new Error(`the program grants nothing on ${on}`);
  }

  /**
   * A MERGE is checked for the columns that it reads, so whoever merges needs the tag to carry the plaintext over.
   * https://cloud.google.com/bigquery/docs/column-level-security-writes
   */
  private plaintext(who: string, policyTag: string, member: pulumi.Output<string>): void {
    new gcp.datacatalog.PolicyTagIamMember(
      `${who}-plaintext-datacatalog.categoryFineGrainedReader`,
      { policyTag, role: 'roles/datacatalog.categoryFineGrainedReader', member },
      this.child,
    );
  }

  private onBatchAccount(
    who: string,
    batch: pulumi.Output<string> | undefined,
    role: string,
    member: pulumi.Output<string>,
  ): void {
    if (batch === undefined) return;
    new gcp.serviceaccount.IAMMember(
      `${who}-batch-account-${role}`,
      {
        serviceAccountId: pulumi.all([this.args.project, batch]).apply(fullName),
        role: `roles/${role}`,
        member,
      },
      this.child,
    );
  }

  private onCloudRunJob(
    who: string,
    cloudRun: CloudRun | undefined,
    role: string,
    member: pulumi.Output<string>,
  ): void {
    if (cloudRun === undefined) return;
    const { project, location } = this.args;
    new gcp.cloudrunv2.JobIamMember(
      `${who}-job-${role}`,
      { project, location, name: cloudRun.id, role: `roles/${role}`, member },
      this.child,
    );
  }

  /**
   * Readers may query and call what is in a dataset of its own; the tables they cannot see, as the procedure and the
   * views of that dataset are what the tables' dataset lets in, to read. The key answers to BigQuery on their behalf
   * only, and the application's key not at all.
   * https://cloud.google.com/bigquery/docs/authorized-datasets
   * https://cloud.google.com/bigquery/docs/authorized-routines
   */
  private readers(member: string): void {
    const { project, warehouse } = this.args;
    this.onProject('readers', 'bigquery.jobUser', member);
    this.onKey('readers', 'bigquery', 'cloudkms.cryptoKeyDecrypterViaDelegation', member);
    this.onReadDataset('readers', 'bigquery.dataViewer', member);
    // The view is made by runs, and made anew with each version of the keyset: only its dataset can be named here.
    new gcp.bigquery.DatasetAccess(
      'read-views-authorized',
      {
        project,
        datasetId: warehouse.dataset,
        authorizedDataset: {
          dataset: { projectId: project, datasetId: warehouse.readDataset },
          targetTypes: ['VIEWS'],
        },
      },
      this.given(warehouse.datasetUpdate),
    );
    new gcp.bigquery.DatasetAccess(
      'read-procedure-authorized',
      {
        project,
        datasetId: warehouse.dataset,
        // Without a role the routine may write too: https://cloud.google.com/bigquery/docs/authorized-routines
        role: 'roles/bigquery.routineDataViewer',
        routine: { projectId: project, datasetId: warehouse.readDataset, routineId: warehouse.readProcedure },
      },
      // A routine that changes is let in no longer, so this is made again after each change of its text, too.
      this.given(pulumi.all([warehouse.readDefinition, warehouse.datasetUpdate]).apply(JSON.stringify)),
    );
  }

  /** For what a dataset gives access by: made again whenever `change` changes. The new entry is the same as the old one, which must go first. */
  private given(change: pulumi.Output<string> | undefined): pulumi.CustomResourceOptions {
    return change === undefined
      ? this.child
      : { ...this.child, replacementTrigger: change, deleteBeforeReplace: true };
  }

  private onProject(who: string, role: string, member: pulumi.Input<string>): void {
    new gcp.projects.IAMMember(
      `${who}-project-${role}`,
      { project: this.args.project, role: `roles/${role}`, member },
      this.child,
    );
  }

  private onReadDataset(who: string, role: string, member: pulumi.Input<string>): void {
    const { project, warehouse } = this.args;
    new gcp.bigquery.DatasetIamMember(
      `${who}-read-dataset-${role}`,
      { project, datasetId: warehouse.readDataset, role: `roles/${role}`, member },
      this.given(warehouse.readDatasetUpdate),
    );
  }

  private onTable(who: string, table: TableName, role: string, member: pulumi.Input<string>): void {
    const { project, warehouse } = this.args;
    new gcp.bigquery.IamMember(
      `${who}-${table}-${role}`,
      {
        project,
        datasetId: warehouse.dataset,
        tableId: warehouse.tables[table],
        role: `roles/${role}`,
        member,
      },
      this.child,
    );
  }

  private onBucket(who: string, role: string, member: pulumi.Input<string>): void {
    new gcp.storage.BucketIAMMember(
      `${who}-bucket-${role}`,
      { bucket: this.args.storage.bucket, role: `roles/${role}`, member },
      this.child,
    );
  }

  private onKey(who: string, key: 'source' | 'bigquery', role: string, member: pulumi.Input<string>): void {
    const { sourceKek, bigqueryKek } = this.args.keys;
    new gcp.kms.CryptoKeyIAMMember(
      `${who}-${key}-key-${role}`,
      { cryptoKeyId: key === 'source' ? sourceKek : bigqueryKek, role: `roles/${role}`, member },
      this.child,
    );
  }
}

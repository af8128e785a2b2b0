import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import type { TableName } from '../jobs/contract/settings/table-settings.ts';
import { Component, type StackArgs } from './component.ts';
import type { Identity } from './identity.ts';
import type { Keys } from './keys.ts';
import type { Storage } from './storage.ts';
import type { Warehouse } from './warehouse.ts';

export interface BindingsArgs extends StackArgs {
  identity: Identity;
  keys: Keys;
  storage: Storage;
  warehouse: Warehouse;
  /** E-mail of the group that may read the values. */
  readers?: string | undefined;
  /** Policy tag of the columns that may hold plaintext. */
  columnPolicyTag?: string | undefined;
  /** E-mail of a Cloud Composer environment's service account. */
  composer?: string | undefined;
}

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
    this.batch(pulumi.interpolate`serviceAccount:${args.identity.batch}`);
    this.workflow(pulumi.interpolate`serviceAccount:${args.identity.workflow}`);
    this.invoker('schedule', args.identity.schedule);
    if (args.composer !== undefined) this.invoker('composer', args.composer);
    if (args.readers !== undefined) this.readers(`group:${args.readers}`);
    this.registerOutputs({});
  }

  private batch(member: pulumi.Output<string>): void {
    this.onProject('batch', 'dataproc.worker', member);
    this.onProject('batch', 'bigquery.readSessionUser', member);
    this.onProject('batch', 'bigquery.jobUser', member);
    this.onTable('batch', 'source', 'bigquery.dataViewer', member);
    this.onTable('batch', 'rejected', 'bigquery.dataViewer', member);
    this.onTable('batch', 'keysets', 'bigquery.dataViewer', member);
    this.onTable('batch', 'runs', 'bigquery.dataViewer', member);
    this.onTable('batch', 'staging', 'bigquery.dataEditor', member);
    this.onKey('batch', 'source', 'cloudkms.cryptoKeyDecrypter', member);
    this.onKey('batch', 'bigquery', 'cloudkms.cryptoKeyDecrypter', member);
    this.onBucket('batch', 'storage.objectAdmin', member);
  }

  private workflow(member: pulumi.Output<string>): void {
    this.onProject('workflow', 'dataproc.serverlessEditor', member);
    this.onProject('workflow', 'bigquery.jobUser', member);
    this.onProject('workflow', 'logging.logWriter', member);
    for (const table of ['source', 'staging', 'rejected', 'keysets', 'dataKeys', 'runs'] as const)
      this.onTable('workflow', table, 'bigquery.dataEditor', member);
    this.onReadDataset('workflow', 'bigquery.dataEditor', member);
    this.onBucket('workflow', 'storage.objectViewer', member);
    // BigQuery uses the key on the caller's behalf; the workflow itself cannot call KMS with it.
    this.onKey('workflow', 'bigquery', 'cloudkms.cryptoKeyEncrypterViaDelegation', member);
    this.onKey('workflow', 'bigquery', 'cloudkms.cryptoKeyDecrypterViaDelegation', member);
    // A MERGE is checked for the columns that it reads, so it needs the tag to carry the plaintext over.
    // https://cloud.google.com/bigquery/docs/column-level-security-writes
    if (this.args.columnPolicyTag !== undefined)
      new gcp.datacatalog.PolicyTagIamMember(
        'workflow-plaintext-datacatalog.categoryFineGrainedReader',
        {
          policyTag: this.args.columnPolicyTag,
          role: 'roles/datacatalog.categoryFineGrainedReader',
          member,
        },
        this.child,
      );
    new gcp.serviceaccount.IAMMember(
      'workflow-batch-account-iam.serviceAccountUser',
      {
        serviceAccountId: pulumi.all([this.args.project, this.args.identity.batch]).apply(fullName),
        role: 'roles/iam.serviceAccountUser',
        member,
      },
      this.child,
    );
  }

  /** Workflows takes no bindings of its own, so starting one is a role on the project. */
  private invoker(who: string, email: pulumi.Input<string>): void {
    this.onProject(who, 'workflows.invoker', pulumi.interpolate`serviceAccount:${email}`);
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
      this.child,
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
      {
        ...this.child,
        // A routine that changes is let in no longer, so this is made again after each change of its text; the
        // old entry is the same as the new one and must go first.
        replacementTrigger: warehouse.readDefinition,
        deleteBeforeReplace: true,
      },
    );
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
      this.child,
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

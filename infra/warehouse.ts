import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import type { Field } from '../jobs/contract/fields.ts';
import type { IdType, Keying, SourceFormat } from '../jobs/contract/settings/choices.ts';
import type { TableName } from '../jobs/contract/settings/table-settings.ts';
import { readProcedureBody } from '../jobs/contract/sql/index.ts';
import { type Column, tableColumns } from '../jobs/contract/tables.ts';
import { Component, type StackArgs } from './component.ts';
import { keepsColumns } from './keeps-columns.ts';

export interface WarehouseArgs extends StackArgs {
  location: string;
  dataset: string;
  tables: Record<TableName, string>;
  /** False where the application has dataset and source table already: they are used, not managed. */
  createSourceTable: boolean;
  /** What a source table that is there already is partitioned by. */
  partitionColumn?: string | undefined;
  /** The dataset of the procedure, which reads the other one: a stack's own, whoever made the tables. */
  readDataset: string;
  /** Id of the stored procedure that reads the values back. */
  readProcedure: string;
  /** The project as it stands in the procedure's text. */
  projectId: string;
  idColumn: string;
  /** Its type, which the ids of the other tables have, too. */
  idType: IdType;
  fields: Field[];
  sourceFormat: SourceFormat;
  keying: Keying;
  storePlaintext: boolean;
  verifyRows: number;
  /** Policy tag of the plaintext columns. */
  columnPolicyTag?: string | undefined;
  /** CryptoKey for tables at rest; Google's own without one. */
  kmsKey?: pulumi.Output<string> | undefined;
  /** Refuse to destroy dataset and tables. */
  deletionProtection: boolean;
}

const DAY_MILLIS = 86_400_000;
const STAGING_DAYS = 7;

/** The dataset with the seven tables, and the procedure through which values are read back. */
export class Warehouse extends Component {
  readonly dataset: pulumi.Output<string>;
  /** Table ids, each known once its table exists. */
  readonly tables: Record<TableName, pulumi.Output<string>>;
  readonly readDataset: pulumi.Output<string>;
  /**
   * Changes whenever Pulumi updates the dataset, which takes from it every access that was given after its creation:
   * https://github.com/pulumi/pulumi-gcp/issues/3908. Undefined for a dataset that is not the stack's.
   */
  readonly datasetUpdate: pulumi.Output<string> | undefined;
  /** The same of the read dataset. */
  readonly readDatasetUpdate: pulumi.Output<string>;
  readonly readProcedure: pulumi.Output<string>;
  /** The procedure's text: whoever may call it is let in for this one. */
  readonly readDefinition: pulumi.Output<string>;

  constructor(name: string, args: WarehouseArgs) {
    super('Warehouse', name);
    const [dataset, datasetUpdate] = args.createSourceTable
      ? this.created('dataset', args.dataset, 'Customer values and what re-encrypts them', false, args)
      : [pulumi.output(args.dataset), undefined];
    this.dataset = dataset;
    this.datasetUpdate = datasetUpdate;
    [this.readDataset, this.readDatasetUpdate] = this.created(
      'read-dataset',
      args.readDataset,
      'The procedure through which values are read',
      // Runs make the view in it, of which the program does not know: nothing in it is more than a way to read.
      !args.deletionProtection,
      args,
    );

    const columns = tableColumns(args);
    this.tables = {
      source: args.createSourceTable
        ? this.table(
            'source',
            args,
            this.tagged(columns.source, args),
            {
              description: 'Customers, as the application encrypts them and as BigQuery reads them',
              clusterings: [args.idColumn],
            },
            { hooks: { beforeUpdate: [keepsColumns()] } },
          )
        : pulumi.output(args.tables.source),
      // No policy tag: a load job that names one must be allowed to set it, which the batch is not.
      // Plaintext is guarded by who may read the table, and goes with the merge.
      staging: this.table('staging', args, columns.staging, {
        description: 'Values on their way into the source table; expire after a week',
        // By ingestion: a jar of the user's own writes no time column.
        timePartitioning: { type: 'DAY', expirationMs: STAGING_DAYS * DAY_MILLIS },
      }),
      rejected: this.table('rejected', args, columns.rejected, {
        description: 'Values that could not be re-encrypted, and why',
        clusterings: ['id'],
      }),
      shredded: this.table('shredded', args, columns.shredded, {
        description: 'Values that an operator shredded, and when',
      }),
      keysets: this.table('keysets', args, columns.keysets, {
        description: 'First-level keysets, wrapped by Cloud KMS',
      }),
      dataKeys: this.table('dataKeys', args, columns.dataKeys, {
        description: 'What the engine inside BigQuery opens the values of a run with; expires within a day',
        // An hour's partition expires a day after the hour began.
        timePartitioning: { type: 'HOUR', expirationMs: DAY_MILLIS },
      }),
      runs: this.table('runs', args, columns.runs, { description: 'The ledger: one row a run' }),
    };
    this.readDefinition = this.definition(args);
    this.readProcedure = this.procedure(args);
    this.registerOutputs({ dataset: this.dataset, tables: this.tables });
  }

  /** A dataset's id, and what changes whenever it is updated. */
  private created(
    name: string,
    datasetId: string,
    description: string,
    destroyedWithContents: boolean,
    args: WarehouseArgs,
  ): [id: pulumi.Output<string>, update: pulumi.Output<string>] {
    const updatable = {
      description,
      ...(args.kmsKey && { defaultEncryptionConfiguration: { kmsKeyName: args.kmsKey } }),
      deleteContentsOnDestroy: destroyedWithContents,
      labels: args.labels,
    };
    const dataset = new gcp.bigquery.Dataset(
      name,
      { project: args.project, datasetId, location: args.location, ...updatable },
      this.guarded(args.deletionProtection),
    );
    return [dataset.datasetId, pulumi.jsonStringify(updatable)];
  }

  private table(
    name: TableName,
    args: WarehouseArgs,
    columns: object[],
    more: Partial<gcp.bigquery.TableArgs>,
    options: pulumi.CustomResourceOptions = {},
  ): pulumi.Output<string> {
    return new gcp.bigquery.Table(
      name,
      {
        project: args.project,
        datasetId: this.dataset,
        tableId: args.tables[name],
        schema: JSON.stringify(columns),
        deletionProtection: args.deletionProtection,
        ...(args.kmsKey && { encryptionConfiguration: { kmsKeyName: args.kmsKey } }),
        labels: args.labels,
        ...more,
      },
      {
        ...this.guarded(args.deletionProtection),
        // The provider would replace a table whose key at rest is another than the program's, and a table that
        // the dataset's key encrypts has one: https://github.com/hashicorp/terraform-provider-google/issues/10518
        ignoreChanges: ['encryptionConfiguration'],
        ...options,
      },
    ).tableId;
  }

  /** A policy tag on the columns that may hold plaintext: who may read them is decided there. */
  private tagged(columns: Column[], { fields, columnPolicyTag }: WarehouseArgs): object[] {
    const plaintext = new Set(fields.map((field) => field.plaintext));
    return columns.map((column) =>
      columnPolicyTag !== undefined && plaintext.has(column.name)
        ? { ...column, policyTags: { names: [columnPolicyTag] } }
        : column,
    );
  }

  private definition(args: WarehouseArgs): pulumi.Output<string> {
    const { source, keysets } = this.tables;
    // The tables are in the text, so the routine waits for them: BigQuery checks it on creation.
    return pulumi
      .all([source, keysets])
      .apply(
        () =>
          `BEGIN\n${readProcedureBody({ ...args, partitionColumn: args.partitionColumn ?? null, project: args.projectId })}\nEND;`,
      );
  }

  private procedure(args: WarehouseArgs): pulumi.Output<string> {
    return new gcp.bigquery.Routine(
      'read-procedure',
      {
        project: args.project,
        datasetId: this.readDataset,
        routineId: args.readProcedure,
        routineType: 'PROCEDURE',
        language: 'SQL',
        description: 'Every sealed value in the clear, for those who may use the BigQuery key',
        definitionBody: this.readDefinition,
      },
      this.child,
    ).routineId;
  }
}

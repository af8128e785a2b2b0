import type { Deployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { grantResource, JOB_USER_GRANTS } from '../contract/job-user.ts';
import { type PartitionedTable, partitionVerdict } from '../contract/partitioning.ts';
import type { TableName } from '../contract/settings/table-settings.ts';
import { type Column, sqlTypeName, tableColumns } from '../contract/tables.ts';
import type { BigQueryService } from '../google/bigquery.ts';
import { bigQueryFailure, googleFailure } from '../google/failures.ts';
import { type Finding, ok, wrong } from './finding.ts';

interface Metadata extends PartitionedTable {
  readonly schema?: { readonly fields?: readonly { readonly name?: string; readonly type?: string }[] };
  readonly location?: string;
}

/**
 * The tables of a stack: whether they are there, in the stack's region, with the columns that a run uses.
 *
 * @param unsaid what to make of a table of which BigQuery does not say
 */
async function lookAtTables(
  d: Deployment,
  bigquery: BigQueryService,
  unsaid: (name: TableName, error: unknown) => Finding,
): Promise<Finding[]> {
  const tables = Object.entries(tableColumns(d)) as [TableName, Column[]][];
  const look = ([name, columns]: [TableName, Column[]]): Promise<Finding> =>
    lookAtTable(d, bigquery, name, columns).catch((error: unknown) => unsaid(name, error));
  return Promise.all(tables.map(look));
}

/** The same, with what BigQuery does not say as a finding. */
export const checkTables = (d: Deployment, bigquery: BigQueryService): Promise<Finding[]> =>
  lookAtTables(d, bigquery, (name, error) => {
    const { message, hint } = bigQueryFailure('doctor', error);
    const verdict = needsEveryRun(d, name) ? 'failed' : 'unknown';
    return wrong(verdict, nameOf(d, name), message, hint ?? 'see the message');
  });

/** Whether whoever starts a run by hand needs a role on the table. */
const needsEveryRun = (d: Deployment, name: TableName): boolean =>
  JOB_USER_GRANTS.some((grant) => {
    const on = grant.when === 'every run' ? grantResource(d, grant.on) : null;
    return on?.kind === 'table' && on.table === d.tables[name];
  });

/**
 * The same for a run that is about to begin. A table that this account may not look at is no obstacle yet: the workflow
 * does with an account of its own what the starter may not, and a run that needs the table says so at its first statement.
 */
export const tablesToStart = (d: Deployment, bigquery: BigQueryService): Promise<Finding[]> =>
  lookAtTables(d, bigquery, (name, error) => {
    if (!(error instanceof ResealError && error.code === 'bigquery-denied')) throw error;
    return wrong('unknown', nameOf(d, name), 'this account may not look at it', 'see docs/iam.md');
  });

const nameOf = (d: Deployment, name: TableName): string => `table ${d.dataset}.${d.tables[name]}`;

async function lookAtTable(
  d: Deployment,
  { client }: BigQueryService,
  name: TableName,
  columns: readonly Column[],
): Promise<Finding> {
  const check = nameOf(d, name);
  let metadata: Metadata;
  try {
    [metadata] = await client.dataset(d.dataset).table(d.tables[name]).getMetadata();
  } catch (error) {
    if (googleFailure(error).status !== 'NOT_FOUND') throw bigQueryFailure('table', error);
    return wrong(
      'failed',
      check,
      'there is no such table',
      '`pulumi up` makes it; a source table of your own must be there before',
    );
  }
  const ids = name === 'source' ? d.idColumn : 'id';
  const differing = differences(columns, metadata.schema?.fields ?? []);
  if (differing.length > 0)
    return wrong(
      'failed',
      check,
      differing.join(', '),
      differing.some((one) => one.startsWith(`${ids} is `))
        ? `set reseal:idType to the type of the source table's ids; tables that were made with another one have to be made anew (docs/runbook.md)`
        : '`pulumi up`, or add the columns to a table of your own',
    );
  // https://cloud.google.com/bigquery/docs/locations#specify_locations: a query runs where its tables are.
  const { location } = metadata;
  if (location !== undefined && location.toLowerCase() !== d.location.toLowerCase())
    return wrong(
      'failed',
      check,
      `it is in ${location}, the stack in ${d.location}`,
      'set reseal:location to the region of the tables; keys and dataset have to be in one',
    );
  const partitions = name === 'source' ? partitionVerdict(d, metadata) : { verdict: 'fits' as const };
  if (partitions.verdict !== 'fits')
    return wrong(
      partitions.verdict === 'fault' ? 'failed' : 'warning',
      check,
      partitions.found,
      partitions.remedy,
    );
  return ok(check, `${columns.length} columns, ${location ?? d.location}`);
}

/** What a table lacks, or has with another type. */
function differences(
  columns: readonly Column[],
  fields: readonly { readonly name?: string; readonly type?: string }[],
): string[] {
  const types = new Map(fields.map(({ name = '', type = '' }) => [name.toLowerCase(), sqlTypeName(type)]));
  return columns.flatMap(({ name, type }) => {
    const found = types.get(name.toLowerCase());
    if (found === undefined) return [`no column ${name} ${type}`];
    return found === type ? [] : [`${name} is ${found}, not ${type}`];
  });
}

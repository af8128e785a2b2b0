import type { Caller } from '../http/caller.ts';
import { objectOr, text } from '../http/router.ts';
import { onBigQueryProject, onProject, onTable } from '../iam/resources.ts';
import { argument } from './arguments.ts';
import type { Batch } from './batches.ts';

/** The account that a batch runs as; the project's default account where it names none. */
export function accountOf(batch: Batch): string {
  const { executionConfig } = objectOr(batch.environmentConfig);
  const named = text(objectOr(executionConfig).serviceAccount);
  return `serviceAccount:${named ?? 'compute@developer.gserviceaccount.com'}`;
}

/**
 * What Dataproc asks of a batch's account to start it, and what the BigQuery connector will ask of BigQuery: the
 * sandbox hands the tables to Spark as files, so that the connector's calls are not there to be asked.
 * https://cloud.google.com/dataproc-serverless/docs/concepts/service-account
 */
export function admitBatch(account: Caller, project: string, args: ReadonlyMap<string, string>): void {
  const dataset = argument(args, 'dataset-id');
  const table = (name: string) => onTable(project, dataset, argument(args, name));
  account.require('dataproc.agents.create', onProject(project));
  account.require('bigquery.readsessions.create', onBigQueryProject(project));
  account.require('bigquery.jobs.create', onBigQueryProject(project));
  for (const name of ['source-table', 'keysets-table'])
    account.require('bigquery.tables.getData', table(name));
  if (argument(args, 'mode') !== 'all') account.require('bigquery.tables.getData', table('rejected-table'));
  account.require('bigquery.tables.updateData', table('destination-table'));
}

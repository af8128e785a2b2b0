import type { Caller } from '../http/caller.ts';
import { objectOr, text } from '../http/router.ts';
import { onProject } from '../iam/resources.ts';
import type { Batch } from './batches.ts';

/** The account that a batch runs as; the project's default account where it names none. */
export function accountOf(batch: Batch): string {
  const { executionConfig } = objectOr(batch.environmentConfig);
  const named = text(objectOr(executionConfig).serviceAccount);
  return `serviceAccount:${named ?? 'compute@developer.gserviceaccount.com'}`;
}

/**
 * What Dataproc asks of a batch's account before it starts anything as it.
 * https://cloud.google.com/dataproc-serverless/docs/concepts/service-account
 */
export function admitAccount(account: Caller, project: string): void {
  account.require('dataproc.agents.create', onProject(project));
}

import type { Storage } from '@google-cloud/storage';
import type { Deployment } from '../../contract/deployment.ts';
import { within } from '../../google/bounds.ts';
import { googleFailure } from '../../google/failures.ts';
import { ANSWER_MS, unanswered } from '../../google/wait-limits.ts';

/**
 * Removes what the application kept of a run beside the connector's own files: the folder that its storage names
 * (jobs/spark/reseal/storage.py). Returns how many files there were, or null where they could not be listed or deleted,
 * as by a caller who may not. The connector's files have names that nobody can derive from the run; a lifecycle rule
 * empties the folder.
 */
export async function removeFiles(
  storage: Storage,
  { bucket, tempFolder }: Deployment,
  runId: string,
): Promise<number | null> {
  try {
    const listing = storage.bucket(bucket).getFiles({ prefix: `${tempFolder}/reseal-${runId}/` });
    const [files] = await within(ANSWER_MS, listing, unanswered);
    for (const file of files) await within(ANSWER_MS, file.delete({ ignoreNotFound: true }), unanswered);
    return files.length;
  } catch (error) {
    // The lifecycle rule does it as well: nothing that befalls this keeps a run from being abandoned.
    return googleFailure(error).status === 'NOT_FOUND' ? 0 : null;
  }
}

import type { Deployment } from '../contract/deployment.ts';
import { type Endpoints, storageClient } from '../google/clients.ts';
import { googleFailure } from '../google/failures.ts';
import { type Finding, ok, wrong } from './finding.ts';

/** Whether the files that a batch runs are where the stack says. */
export async function checkBundle(d: Deployment, endpoints?: Endpoints): Promise<Finding[]> {
  if (!d.engines.includes('dataproc')) return [];
  const check = "the batch's files";
  const files =
    d.batch.jarFile !== null
      ? [d.batch.jarFile]
      : d.batch.application === null
        ? null
        : Object.values(d.batch.application);
  if (files === null)
    return [
      wrong(
        'warning',
        check,
        'the stack was deployed without a bundle',
        '`npm run bundle`, then `pulumi up`',
      ),
    ];
  const storage = await storageClient(d, endpoints);
  const findings = await Promise.all(
    files.map(async (uri): Promise<Finding | null> => {
      // An archive's URI ends with the name that it is unpacked under.
      const [, bucket = '', object = ''] = /^gs:\/\/([^/]+)\/([^#]+)/.exec(uri) ?? [];
      if (bucket === '') return null;
      try {
        const [exists] = await storage.bucket(bucket).file(object).exists();
        return exists
          ? null
          : wrong('failed', check, `there is no ${uri}`, '`npm run bundle`, then `pulumi up`');
      } catch (error) {
        return wrong(
          'unknown',
          check,
          googleFailure(error).message,
          'grant roles/storage.objectViewer on the bucket to see',
        );
      }
    }),
  );
  const found = findings.filter((finding) => finding !== null);
  return found.length > 0 ? found : [ok(check, `${files.length} files, runtime ${d.batch.runtimeVersion}`)];
}

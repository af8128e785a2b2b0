import { fileURLToPath } from 'node:url';
import { bundleSources, COMMENT_BYTES, sourcesIn } from '../contract/bundle-sources.ts';
import type { Deployment } from '../contract/deployment.ts';
import { CONNECTOR } from '../contract/settings/batch-settings.ts';
import { type Endpoints, storageClient } from '../google/clients.ts';
import { googleFailure } from '../google/failures.ts';
import { type Finding, inBatches, ok, wrong } from './finding.ts';

const APPLICATION = fileURLToPath(new URL('../spark', import.meta.url));

/** An object of Cloud Storage. */
interface Place {
  readonly uri: string;
  readonly bucket: string;
  readonly object: string;
}

/** Whether the files that a batch runs are where the stack says, and made from this checkout. */
export async function checkBundle(d: Deployment, endpoints?: Endpoints): Promise<Finding[]> {
  if (!d.engines.includes('dataproc')) return [];
  const check = "the batch's files";
  const uris =
    d.batch.jarFile !== null
      ? [d.batch.jarFile]
      : d.batch.application === null
        ? null
        : Object.values(d.batch.application);
  if (uris === null)
    return [
      wrong(
        inBatches(d),
        check,
        'the stack was deployed without a bundle',
        '`npm run bundle`, then `pulumi up`',
      ),
    ];
  const storage = await storageClient(d, endpoints);
  const places = uris.flatMap(placeOf);
  const seen = await Promise.all(
    places.map(async ({ uri, bucket, object }): Promise<Finding | null> => {
      const file = storage.bucket(bucket).file(object);
      try {
        const [exists] = await file.exists();
        if (!exists)
          return wrong(inBatches(d), check, `there is no ${uri}`, '`npm run bundle`, then `pulumi up`');
        if (!object.endsWith('.zip')) return null;
        const [end] = await file.download({ end: -COMMENT_BYTES, validation: false });
        if (sourcesIn(end) === bundleSources(APPLICATION)) return null;
        return wrong(
          'warning',
          check,
          `${uri} was not made from the application and the lock of wheels of this checkout`,
          'use the checkout that the stack was deployed from, or `npm run bundle`, then `pulumi up`',
        );
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
  const found = seen.filter((finding) => finding !== null);
  const made = d.batch.jarFile === null ? ', made from this checkout' : '';
  return found.length > 0
    ? found
    : [ok(check, `${uris.length} files${made}, runtime ${d.batch.runtimeVersion}`)];
}

/** An archive's URI ends with the name that it is unpacked under. */
function placeOf(uri: string): Place[] {
  const [, bucket, object] = /^gs:\/\/([^/]+)\/([^#]+)/.exec(uri) ?? [];
  return bucket === undefined || object === undefined ? [] : [{ uri, bucket, object }];
}

/** Whether batches use the BigQuery connector that the tests of this checkout run through. */
export function checkConnector({ engines, batch }: Deployment): Finding[] {
  if (!engines.includes('dataproc') || batch.jarFile !== null) return [];
  const check = 'BigQuery connector';
  const { bigqueryConnectorVersion: version } = batch;
  if (version === CONNECTOR) return [ok(check, `${version}, as in the tests of this checkout`)];
  return [
    wrong(
      'warning',
      check,
      `batches use ${version}, the tests of this checkout ${CONNECTOR}`,
      'leave reseal:bigqueryConnectorVersion out, or try a run of few rows first (`--limit 100`)',
    ),
  ];
}

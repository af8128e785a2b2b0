import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleComment, bundleSources } from '../../jobs/contract/bundle-sources.ts';

const application = fileURLToPath(new URL('../../jobs/spark', import.meta.url));

/** A zip file without entries: the end-of-central-directory record alone (APPNOTE.TXT, 4.3.16), with a comment. */
function emptyZip(comment: string): Buffer {
  const record = Buffer.alloc(22);
  record.write('PK\u0005\u0006', 'latin1');
  record.writeUInt16LE(comment.length, 20);
  return Buffer.concat([record, Buffer.from(comment, 'latin1')]);
}

/**
 * A bundle for the program to upload: the sandbox's Spark runs the checkout and its .venv, so that the
 * archives have nothing to bring, and nobody needs pip to try the sandbox.
 */
export function standInBundle(state: string): string {
  const folder = join(state, 'dataproc', 'bundle');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  copyFileSync(join(application, 'main.py'), join(folder, 'main.py'));
  const archived = emptyZip(bundleComment(bundleSources(application)));
  for (const archive of ['reseal.zip', 'wheels.zip']) writeFileSync(join(folder, archive), archived);
  return folder;
}

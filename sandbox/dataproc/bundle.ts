import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../jobs/spark/main.py', import.meta.url));

/** A zip file without entries: the end-of-central-directory record alone (APPNOTE.TXT, 4.3.16). */
const EMPTY_ZIP = Buffer.concat([Buffer.from('PK\u0005\u0006'), Buffer.alloc(18)]);

/**
 * A bundle for the program to upload: the sandbox's Spark runs the checkout and its .venv, so that the
 * archives have nothing to bring, and nobody needs pip to try the sandbox.
 */
export function standInBundle(state: string): string {
  const folder = join(state, 'dataproc', 'bundle');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  copyFileSync(main, join(folder, 'main.py'));
  for (const archive of ['reseal.zip', 'wheels.zip']) writeFileSync(join(folder, archive), EMPTY_ZIP);
  return folder;
}

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What both archives of a bundle end with: the comment of a zip file is its last part (APPNOTE.TXT, 4.3.16). */
const COMMENT = /reseal-sources=([0-9a-f]{64})$/;

/** Bytes at the end of an archive that hold the comment. */
export const COMMENT_BYTES = 'reseal-sources='.length + 64;

/**
 * What a bundle is made from, as one SHA-256 in hex: the entry point, the package and the lock of the wheels. The same
 * as tools/python/make_bundle.py leaves in the archives: over a line for each file, in the order of their names, as
 * sha256sum writes it.
 *
 * @param application the folder jobs/spark of a checkout
 */
export function bundleSources(application: string): string {
  const modules = readdirSync(join(application, 'reseal')).filter((name) => name.endsWith('.py'));
  const names = ['main.py', 'requirements.txt', ...modules.map((name) => `reseal/${name}`)].sort();
  const line = (name: string): string => `${sha256(readFileSync(join(application, name)))}  ${name}\n`;
  return sha256(names.map(line).join(''));
}

/** The comment that an archive made from such files ends with. */
export const bundleComment = (sources: string): string => `reseal-sources=${sources}`;

/** What an archive was made from, by its end; null where it does not say. */
export const sourcesIn = (end: Buffer): string | null => COMMENT.exec(end.toString('latin1'))?.[1] ?? null;

const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

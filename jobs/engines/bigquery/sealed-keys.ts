import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Rejection } from '../../contract/reasons.ts';
import type { SourceFormat } from '../../contract/settings/choices.ts';
import type { Aead } from '../../envelope/aead.ts';
import { asWrappedKey, type WrappedKey } from '../../envelope/brands.ts';
import type { Unwrapped } from '../../envelope/data-keys.ts';
import { formatOf } from '../../envelope/formats.ts';
import { keyForBigQuery } from '../../envelope/keys-for-bigquery.ts';
import type { Page } from '../../google/page.ts';

/** What the data keys of a try are sealed with, and for. */
export interface KeySealing {
  readonly runId: string;
  readonly keySet: string;
  readonly format: SourceFormat;
  /** Opens data keys with Cloud KMS; the bytes are the giver's own. */
  readonly unwrap: (wrapped: WrappedKey) => Promise<Unwrapped>;
  /** The keyset of the try. */
  readonly aead: Aead;
}

/** How many of the keys so far are left to the job. */
export interface KeyCounts {
  keys: number;
  inJob: number;
}

/** What a sealed data key is bound to: the run, and the SHA-256 of the wrapped key in hex. SQL has the same. */
export const keyAadOf = (runId: string, name: string): Buffer => Buffer.from(`${runId}\n${name}`);

/** Pages whose keys are with KMS at one time; the next is then always at hand. */
export const PAGES_AT_ONCE = 2;

/**
 * The lines of the load job that brings BigQuery the data keys, one a key: sealed, or with the reason for which none of
 * its values opens. `pages` have the wrapped keys, as the source has them, in the column `wrapped`.
 */
export async function* sealedKeys(
  pages: AsyncIterable<Page>,
  sealing: KeySealing,
  counts: KeyCounts,
): AsyncGenerator<Buffer> {
  const ofPage = async (page: Page): Promise<Buffer> => {
    const lines = page.column('wrapped').map((text) => keyLine(text ?? '', sealing, counts));
    return Buffer.from((await Promise.all(lines)).join(''));
  };
  yield* Readable.from(pages).map(ofPage, { concurrency: PAGES_AT_ONCE }) as AsyncIterable<Buffer>;
}

async function keyLine(text: string, sealing: KeySealing, counts: KeyCounts): Promise<string> {
  const { runId, keySet } = sealing;
  const name = createHash('sha256').update(text).digest();
  const row = { run_id: runId, key_set: keySet, name: name.toString('base64') };
  const line = { ...row, ...(await keyCells(text, keyAadOf(runId, name.toString('hex')), sealing)) };
  counts.keys += 1;
  if ('in_job' in line) counts.inJob += 1;
  return `${JSON.stringify(line)}\n`;
}

type KeyCells =
  | { readonly reason: string }
  | { readonly sealed: string; readonly key_ids?: string }
  | { readonly sealed: string; readonly in_job: true };

async function keyCells(text: string, aad: Buffer, { format, unwrap, aead }: KeySealing): Promise<KeyCells> {
  try {
    const key = await unwrap(wrappedKey(format, text));
    if (typeof key === 'string') return { reason: key };
    const usable = keyForBigQuery(format, key);
    // As the application has it: the job opens it as it would have come from KMS.
    if (usable === null) return { sealed: aead.seal(key, aad).toString('base64'), in_job: true };
    const sealed = aead.seal(usable.opener, aad).toString('base64');
    usable.opener.fill(0);
    return { sealed, ...(usable.keyIds === null ? {} : { key_ids: usable.keyIds }) };
  } catch (error) {
    if (error instanceof Rejection) return { reason: error.reason };
    throw error;
  }
}

/** BigQuery has taken the key out of an envelope already, and only where there is one. Throws Rejection. */
const wrappedKey = (format: SourceFormat, text: string): WrappedKey =>
  format === 'tink-envelope'
    ? asWrappedKey(Buffer.from(text, 'base64'))
    : formatOf(format).wrappedKey(text, '');

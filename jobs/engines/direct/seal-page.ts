import { createHash } from 'node:crypto';
import { type Reason, Rejection } from '../../contract/reasons.ts';
import type { Keying, SourceFormat, Unauthenticated } from '../../contract/settings/choices.ts';
import { valueMatchers } from '../../contract/value-pattern.ts';
import { asDataKey, type DataKey } from '../../envelope/brands.ts';
import type { Unwrapped } from '../../envelope/data-keys.ts';
import { formatOf, type Opener } from '../../envelope/formats.ts';
import { parseKeyset } from '../../envelope/keysets.ts';
import { firstLevel, sealer } from '../../envelope/sealing.ts';

/** What does not change from page to page. Crosses into worker threads, so plain data only. */
export interface PageSetup {
  readonly runId: string;
  /** The load job that the lines are for. */
  readonly attempt: string;
  readonly sourceFormat: SourceFormat;
  readonly unauthenticated: Unauthenticated;
  /** What the values of a field have to match, by the field's name. */
  readonly valuePatterns: Readonly<Record<string, string>>;
  readonly keying: Keying;
  readonly storePlaintext: boolean;
  /** The first-level keyset, serialised. */
  readonly keyset: Uint8Array;
}

/** Values of the source, column by column, with the data keys that they name by index. */
export interface SourcePage {
  readonly ids: readonly string[];
  readonly fields: readonly string[];
  readonly cipherTexts: readonly string[];
  /** Tokens in base64, as BigQuery computed them. */
  readonly tokens: readonly string[];
  /** For each row its data key in `keys` and `deks`. */
  readonly keyOf: readonly number[];
  readonly deks: readonly string[];
  /** The page's own copies: wiped once they are prepared. */
  readonly keys: readonly (Uint8Array | Reason)[];
}

/** Overwrites the data keys of a page. */
export function wipeKeys({ keys }: SourcePage): void {
  for (const key of keys) if (typeof key !== 'string') key.fill(0);
}

/** First 16 hex digits of SHA-256: tells operators which data key it was, and nothing more. */
const fingerprint = (dek: string): string => createHash('sha256').update(dek).digest('hex').slice(0, 16);

/** A data key made ready for its rows, or the reason that all of them share. */
function prepared(key: Unwrapped, prepare: (key: DataKey) => Opener): Opener | Reason {
  if (typeof key === 'string') return key;
  try {
    return prepare(key);
  } catch (error) {
    if (error instanceof Rejection) return error.reason;
    throw error;
  }
}

/** The page's data keys, ready for their rows. Their bytes are wiped. */
function openersOf(page: SourcePage, prepare: (key: DataKey) => Opener): (Opener | Reason)[] {
  try {
    return page.keys.map((key) => prepared(typeof key === 'string' ? key : asDataKey(key), prepare));
  } finally {
    wipeKeys(page);
  }
}

/**
 * Re-encrypts a page: returns the lines of a load job in newline-delimited JSON, one a value, sealed or
 * rejected. BYTES are base64 there, ids text of whatever type.
 * https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json#details_of_loading_json_data
 */
export function sealPage(setup: PageSetup, page: SourcePage): Buffer {
  const format = formatOf(setup.sourceFormat);
  const openers = openersOf(page, (key) => format.prepare(key, setup.unauthenticated));
  const matches = valueMatchers(setup.valuePatterns);
  const seal = sealer(setup.keying, firstLevel(setup.keying, parseKeyset(setup.keyset)));
  const run = `"run_id":${JSON.stringify(setup.runId)},"attempt":${JSON.stringify(setup.attempt)}`;
  let lines = '';
  for (let row = 0; row < page.ids.length; row++) {
    const id = page.ids[row] as string;
    lines += `{"id":${JSON.stringify(id)},${run},"field":${JSON.stringify(page.fields[row])},"resealed_from":"${page.tokens[row]}"`;
    const key = page.keyOf[row] as number;
    try {
      const open = openers[key] as Opener | Reason;
      if (typeof open === 'string') throw new Rejection(open);
      const { plaintext, authenticated } = open(page.cipherTexts[row] as string);
      const field = page.fields[row] as string;
      if (!matches(field, plaintext)) throw new Rejection('value-pattern');
      const sealed = seal(plaintext, id, field);
      if (!authenticated) lines += ',"unauthenticated":true';
      if (setup.storePlaintext) lines += `,"decrypted_email":${JSON.stringify(plaintext.toString())}`;
      if (sealed.key !== null) lines += `,"bq_encryption_key":"${sealed.key.toString('base64')}"`;
      lines += `,"bq_encrypted_email":"${sealed.value.toString('base64')}"}\n`;
    } catch (error) {
      if (!(error instanceof Rejection)) throw error;
      lines += `,"reason":"${error.reason}","dek_fingerprint":"${fingerprint(page.deks[key] as string)}"}\n`;
    }
  }
  return Buffer.from(lines);
}

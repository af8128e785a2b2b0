import type { Deployment } from '../../contract/deployment.ts';
import { type Reason, Refusal } from '../../contract/reasons.ts';
import type { WrappedKey } from '../../envelope/brands.ts';
import type { Unwrapped } from '../../envelope/data-keys.ts';
import { sourceFormat } from '../../envelope/formats.ts';
import type { Page } from '../../google/bigquery.ts';
import type { RowsPage } from './seal-page.ts';

/** Where data keys come from. The bytes are the giver's own. */
interface Keys {
  unwrap(wrapped: WrappedKey): Promise<Unwrapped>;
}

/** Turns a page of `id, field, cipher_text, dek, token` into columns, with its data keys unwrapped. */
export async function withKeys(page: Page, deployment: Deployment, keys: Keys): Promise<RowsPage> {
  const { wrappedKey } = sourceFormat(deployment.sourceFormat);
  const known = new Map<string, number>();
  const [deks, wanted]: [string[], Promise<Uint8Array | Reason>[]] = [[], []];
  const keyOf = page.map(([, , cipherText, dek]) => {
    // Only a format that keeps the data key inside the cipher text tells rows of one dek apart.
    const name = deployment.sourceFormat === 'tink-envelope' ? `${cipherText} ${dek}` : (dek ?? '');
    const seen = known.get(name);
    if (seen !== undefined) return seen;
    known.set(name, wanted.length);
    deks.push(dek ?? '');
    return wanted.push(ownCopy(keys, () => wrappedKey(dek ?? '', cipherText ?? ''))) - 1;
  });
  const column = (at: number): string[] => page.map((row) => row[at] ?? '');
  const [ids, fields, cipherTexts, tokens] = [column(0), column(1), column(2), column(4)];
  return { ids, fields, cipherTexts, tokens, keyOf, deks, keys: await Promise.all(wanted) };
}

/** The row's data key as a copy of the cache's, or why it has none. */
async function ownCopy(keys: Keys, wrapped: () => WrappedKey): Promise<Uint8Array | Reason> {
  try {
    const key = await keys.unwrap(wrapped());
    return typeof key === 'string' ? key : Uint8Array.from(key);
  } catch (error) {
    if (error instanceof Refusal) return error.reason;
    throw error;
  }
}

import { type Reason, Rejection } from '../../contract/reasons.ts';
import type { SourceFormat } from '../../contract/settings/choices.ts';
import type { WrappedKey } from '../../envelope/brands.ts';
import type { Unwrapped } from '../../envelope/data-keys.ts';
import { formatOf } from '../../envelope/formats.ts';
import type { Page } from '../../google/page.ts';
import type { SourcePage } from './seal-page.ts';

/** Where data keys come from. The bytes are the giver's own. */
interface Keys {
  unwrap(wrapped: WrappedKey): Promise<Unwrapped>;
}

/** A page of selected values as columns, with its data keys unwrapped. */
export async function sourcePage(page: Page, format: SourceFormat, keys: Keys): Promise<SourcePage> {
  const { wrappedKey } = formatOf(format);
  const texts = (name: string): string[] => page.column(name).map((cell) => cell ?? '');
  const [cipherTexts, deksOfRows] = [texts('cipher_text'), texts('dek')];
  const known = new Map<string, number>();
  const [deks, wanted]: [string[], Promise<Uint8Array | Reason>[]] = [[], []];
  const keyOf = deksOfRows.map((dek, row) => {
    const cipherText = cipherTexts[row] as string;
    // Only a format that keeps the data key inside the cipher text tells rows of one dek apart.
    const name = format === 'tink-envelope' ? `${cipherText} ${dek}` : dek;
    const seen = known.get(name);
    if (seen !== undefined) return seen;
    known.set(name, wanted.length);
    deks.push(dek);
    return wanted.push(ownCopy(keys, () => wrappedKey(dek, cipherText))) - 1;
  });
  return {
    ids: texts('id'),
    fields: texts('field'),
    cipherTexts,
    tokens: texts('token'),
    keyOf,
    deks,
    keys: await Promise.all(wanted),
  };
}

/** The row's data key as a copy of the cache's, or why it has none. */
async function ownCopy(keys: Keys, wrapped: () => WrappedKey): Promise<Uint8Array | Reason> {
  try {
    const key = await keys.unwrap(wrapped());
    return typeof key === 'string' ? key : Uint8Array.from(key);
  } catch (error) {
    if (error instanceof Rejection) return error.reason;
    throw error;
  }
}

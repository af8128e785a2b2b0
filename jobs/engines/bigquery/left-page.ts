import type { Aead } from '../../envelope/aead.ts';
import type { Page } from '../../google/page.ts';
import type { SourcePage } from '../direct/seal-page.ts';
import { keyAadOf } from './sealed-keys.ts';

/**
 * A page of values that are left to the job, as columns, with the data keys that stand beside them opened: no second
 * call of Cloud KMS.
 */
export function leftPage(page: Page, runId: string, aead: Aead): SourcePage {
  const texts = (name: string): string[] => page.column(name).map((cell) => cell ?? '');
  const [names, sealed, deksOfRows] = [texts('key_name'), texts('sealed_key'), texts('dek')];
  const known = new Map<string, number>();
  const [deks, keys]: [string[], Uint8Array[]] = [[], []];
  const keyOf = names.map((name, row) => {
    const dek = deksOfRows[row] as string;
    // An envelope has its key in the cipher text, whatever its dek says: that is what a rejection is told by.
    const pair = `${name} ${dek}`;
    const seen = known.get(pair);
    if (seen !== undefined) return seen;
    known.set(pair, keys.length);
    deks.push(dek);
    return keys.push(aead.open(Buffer.from(sealed[row] as string, 'base64'), keyAadOf(runId, name))) - 1;
  });
  const columns = { ids: texts('id'), fields: texts('field'), cipherTexts: texts('cipher_text') };
  return { ...columns, tokens: texts('token'), keyOf, deks, keys };
}

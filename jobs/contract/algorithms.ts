import type { Keying } from './settings/choices.ts';

/**
 * The types of keys that BigQuery makes, as its functions name them; the column `algorithm` of `keysets` has them, too.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions#keysnew_keyset
 */
export const AEAD = 'AEAD_AES_GCM_256';
export const DETERMINISTIC = 'DETERMINISTIC_AEAD_AES_SIV_CMAC_256';
export const ALGORITHMS = [AEAD, DETERMINISTIC] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/**
 * The type of the first-level keyset that seals in a keying.
 *
 * @example
 * algorithmOf('row'); // 'AEAD_AES_GCM_256'
 */
export const algorithmOf = (keying: Keying): Algorithm => (keying === 'deterministic' ? DETERMINISTIC : AEAD);

/**
 * Binary logarithms of how often one key may seal. With random IVs under AES-GCM: NIST SP 800-38D §8.3. Different
 * values under AES-SIV: RFC 5297 §6, after the bound of CMAC.
 */
const MOST_SEALS_LOG: Readonly<Record<Algorithm, number>> = { [AEAD]: 32, [DETERMINISTIC]: 48 };

/**
 * How often a key of a type may seal; of a type that is not known, as often as the type that may least.
 *
 * @example
 * mostSeals('AEAD_AES_GCM_256'); // { count: 4294967296, text: '2^32' }
 */
export function mostSeals(algorithm: string): { readonly count: number; readonly text: string } {
  const log = algorithm === DETERMINISTIC ? MOST_SEALS_LOG[DETERMINISTIC] : MOST_SEALS_LOG[AEAD];
  return { count: 2 ** log, text: `2^${log}` };
}

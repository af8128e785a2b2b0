import { GoogleError } from '../../errors/google-error.ts';
import type { Json } from '../../http/router.ts';

/** "Requirements for labels" of https://cloud.google.com/bigquery/docs/labels-intro */
const MOST = 64;
const KEY = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u;
const VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u;

/** Holds a job's labels against Google's rules. @throws GoogleError invalid */
export function checkLabels(labels: Json): void {
  const entries = Object.entries(labels);
  if (entries.length > MOST)
    throw new GoogleError(
      'INVALID_ARGUMENT',
      `There are ${entries.length} labels, and at most ${MOST} may be.`,
    );
  for (const [key, value] of entries) {
    if (!KEY.test(key))
      throw new GoogleError(
        'INVALID_ARGUMENT',
        `The label key "${key}" is not a lower case letter with at most 62 lower case letters, digits, - and _ behind it.`,
      );
    if (typeof value !== 'string' || !VALUE.test(value))
      throw new GoogleError(
        'INVALID_ARGUMENT',
        `The value of the label "${key}" is not at most 63 lower case letters, digits, - and _.`,
      );
  }
}

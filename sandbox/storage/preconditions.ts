import { GoogleError } from '../http/errors.ts';
import type { StoredObject } from './store.ts';

/** https://cloud.google.com/storage/docs/request-preconditions */
const PRECONDITION_FAILED = 412;

/**
 * Holds a request's generation conditions against the object as it is; undefined for none.
 * @throws GoogleError conditionNotMet. Of a generation that is not the object's, notFound
 */
export function checkConditions(
  query: URLSearchParams,
  live: StoredObject | undefined,
  prefix: '' | 'source' = '',
): void {
  const named = (name: string): string | null =>
    query.get(prefix === '' ? name : `${prefix}${name[0]?.toUpperCase()}${name.slice(1)}`);
  const is = live?.generation ?? '0';
  const wanted = named('ifGenerationMatch');
  const unwanted = named('ifGenerationNotMatch');
  if ((wanted !== null && wanted !== is) || (unwanted !== null && unwanted === is))
    throw new GoogleError(
      'FAILED_PRECONDITION',
      'At least one of the pre-conditions you specified did not hold.',
      { reason: 'conditionNotMet', code: PRECONDITION_FAILED },
    );
  const generation = named('generation');
  if (live && generation !== null && generation !== is)
    throw new GoogleError('NOT_FOUND', `No such object: ${live.bucket}/${live.name}#${generation}`);
}

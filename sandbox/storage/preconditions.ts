import { GoogleError } from '../errors/google-error.ts';
import type { StoredObject } from './store.ts';

/** https://cloud.google.com/storage/docs/request-preconditions */
const PRECONDITION_FAILED = 412;

/**
 * Holds a request's generation conditions against the object as it is; undefined for none.
 * @throws GoogleError conditionNotMet, or notFound for a generation that the object does not have
 */
export function checkConditions(
  query: URLSearchParams,
  live: StoredObject | undefined,
  end: '' | 'Source' = '',
): void {
  const is = live?.generation ?? '0';
  const wanted = query.get(`if${end}GenerationMatch`);
  const unwanted = query.get(`if${end}GenerationNotMatch`);
  if ((wanted !== null && wanted !== is) || (unwanted !== null && unwanted === is))
    throw new GoogleError(
      'FAILED_PRECONDITION',
      'At least one of the pre-conditions you specified did not hold.',
      { reason: 'conditionNotMet', code: PRECONDITION_FAILED },
    );
  const generation = query.get(end === '' ? 'generation' : 'sourceGeneration');
  if (live && generation !== null && generation !== is)
    throw new GoogleError('NOT_FOUND', `No such object: ${live.bucket}/${live.name}#${generation}`);
}

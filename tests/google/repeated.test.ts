import { expect, it } from 'vitest';
import { mayPass } from '../../jobs/google/repeated.ts';

/** What says nothing of the thing that was asked for, and what ends a run at once. */
it.each([
  ['the service', Object.assign(new Error('13 INTERNAL'), { code: 13 }), true],
  ['the network', Object.assign(new Error('read'), { code: 'ECONNRESET' }), true],
  [
    'the network, on the way to an access token',
    Object.assign(
      new Error(
        '2 UNKNOWN: Getting metadata from plugin failed with error: getaddrinfo ENOTFOUND oauth2.googleapis.com',
      ),
      { code: 2 },
    ),
    true,
  ],
  [
    'credentials that have expired',
    Object.assign(new Error('2 UNKNOWN: Getting metadata from plugin failed with error: invalid_grant'), {
      code: 2,
    }),
    false,
  ],
  ['a batch that is not there', Object.assign(new Error('5 NOT_FOUND'), { code: 5 }), false],
  ['an argument', Object.assign(new Error('3 INVALID_ARGUMENT'), { code: 3 }), false],
])('the fault of %s', (_whose, error, passes) => {
  expect(mayPass(error)).toBe(passes);
});

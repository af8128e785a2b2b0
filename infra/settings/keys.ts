import { z } from 'zod';
import { cryptoKey, keyRingId, whole } from '../../jobs/contract/settings/patterns.ts';
import { setting } from '../../jobs/contract/settings/setting.ts';

/** Cloud KMS. */
export const keySettings = {
  keyRing: setting(keyRingId.optional(), {
    description: 'The key ring to create. Google never deletes a key ring: its name is taken for good.',
    example: 'reseal-dev',
    absent: '`reseal-<stack>`',
  }),
  sourceKek: setting(cryptoKey.optional(), {
    description: "The existing key that wraps the application's data keys.",
    example: 'projects/example-app/locations/us-central1/keyRings/app/cryptoKeys/users',
    absent: 'one is created',
  }),
  bigqueryKek: setting(cryptoKey.optional(), {
    description: 'An existing key to wrap the first-level keyset with; in the region of the dataset.',
    example: 'projects/example-data/locations/us-central1/keyRings/reseal/cryptoKeys/bigquery',
    absent: 'one is created',
  }),
  keyRotationDays: setting(whole(1, 3650).default(90), {
    description: 'Every so many days the created keys get a new primary version.',
    example: '90',
  }),
  cmek: setting(
    z
      .union([z.enum(['none', 'create']), cryptoKey], {
        error: 'must be none, create or the full name of a CryptoKey',
      })
      .default('none'),
    {
      description:
        'The key that encrypts bucket and dataset at rest: none (Google’s), create, or a name. Whatever an earlier one encrypted stays readable: no key is destroyed.',
      example: 'create',
    },
  ),
};

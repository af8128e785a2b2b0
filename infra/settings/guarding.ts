import { z } from 'zod';
import { email, flag, notificationChannel, share, whole } from '../../jobs/contract/settings/patterns.ts';
import { setting } from '../../jobs/contract/settings/setting.ts';
import { cidr } from './ip-range.ts';

/** Who may read, what may be deleted, and who is told. */
export const guardingSettings = {
  readers: setting(email.optional(), {
    description: 'A group that may query the view and call the procedure of `readDataset`, and nothing else.',
    example: 'analysts@example.com',
    absent: 'nobody',
  }),
  deletionProtection: setting(flag.default(true), {
    description:
      'Whether tables, bucket, workflow and the job of Cloud Run refuse to be destroyed, and the stack to let go of keys; destroyed they never are.',
    example: 'true',
  }),
  auditLogs: setting(flag.default(true), {
    description: 'Whether every use of a KMS key in the project is written to its audit logs.',
    example: 'true',
  }),
  softDeleteDays: setting(
    z.union([z.literal(0), whole(7, 90)], { error: 'must be 0 or a whole number from 7 to 90' }).default(0),
    {
      description: 'How long the bucket keeps deleted objects: staged values should not outlive a run.',
      example: '0',
    },
  ),
  tempLifecycleDays: setting(whole(1, 30).default(3), {
    description: 'Files of the temp folder are deleted after so many days.',
    example: '3',
  }),
  network: setting(
    z
      .strictObject({
        create: z.boolean({ error: 'must be true or false' }).optional(),
        cidr: cidr.default('10.128.0.0/24'),
      })
      .prefault({}),
    {
      description: 'Whether to create a network with one private subnetwork, and its range.',
      example: '{create: true, cidr: 10.128.0.0/24}',
      absent: 'created unless `subnetwork` names one',
    },
  ),
  notificationChannels: setting(z.array(notificationChannel, { error: 'must be a list' }).default([]), {
    description: 'The notification channels that alerts go to.',
    example: '[projects/example-data/notificationChannels/1234567890]',
  }),
  alerts: setting(
    z
      .strictObject({
        rejectedShare: share.default(0.05),
        kmsQuotaShare: share.default(0.8),
      })
      .prefault({}),
    {
      description: 'A run that rejects a larger share of its values alerts; so does KMS use near the quota.',
      example: '{rejectedShare: 0.05, kmsQuotaShare: 0.8}',
    },
  ),
};

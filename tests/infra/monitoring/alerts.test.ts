import { expect, it } from 'vitest';
import { alertsOf } from '../../../infra/monitoring/alerts.ts';

const watched = (changes: Partial<Parameters<typeof alertsOf>[0]> = {}) => ({
  stack: 'dev',
  alerts: { rejectedShare: 0.05, kmsQuotaShare: 0.8 },
  schedule: { cron: '0 3 * * *', timeZone: 'Etc/UTC', paused: true },
  kmsQuotaPerMinute: 60_000,
  composerDagBucket: undefined,
  ...changes,
});
const namesOf = (changes: Parameters<typeof watched>[0]) =>
  alertsOf(watched(changes)).map(({ name }) => name);

it('misses a success in a day where something is to start runs: the schedule, or Composer', () => {
  expect(namesOf({})).not.toContain('no-successful-run');
  expect(namesOf({ schedule: { ...watched().schedule, paused: false } })).toContain('no-successful-run');
  expect(namesOf({ composerDagBucket: 'us-central1-composer-bucket' })).toContain('no-successful-run');
});

it.each([
  [0.07, '7%'],
  [0.29, '29%'],
  [0.005, '0.5%'],
  [0.0001, '0.01%'],
  [1, '100%'],
])('writes a share of %d as people do', (share, text) => {
  const titles = alertsOf(watched({ alerts: { rejectedShare: share, kmsQuotaShare: share } })).map(
    ({ title }) => title,
  );
  expect(titles).toContain(`more than ${text} of a run's values were rejected`);
  expect(titles).toContain(`Cloud KMS use is above ${text} of its quota`);
});

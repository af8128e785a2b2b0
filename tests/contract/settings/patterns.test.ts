import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { cron } from '../../../infra/settings/cron.ts';
import { cidr } from '../../../infra/settings/ip-range.ts';
import { bucketName, containerImage, timeZone } from '../../../jobs/contract/settings/patterns.ts';

const faultOf = (schema: z.ZodType, text: string): string | null => {
  const parsed = schema.safeParse(text);
  return parsed.success ? null : (parsed.error.issues[0]?.message ?? '');
};

describe('the range of a subnetwork', () => {
  it.each(['10.128.0.0/24', '10.0.0.0/8', '172.16.0.0/12', '172.31.255.0/29', '192.168.0.0/16'])(
    'is %s',
    (text) => {
      expect(faultOf(cidr, text)).toBeNull();
    },
  );
  it.each([
    ['10.999.0.5/24', 'must be a private IPv4 range in CIDR form'],
    ['10.128/24', 'must be a private IPv4 range in CIDR form'],
    ['8.8.8.0/24', 'must be a private IPv4 range in CIDR form'],
    ['172.32.0.0/16', 'must be a private IPv4 range in CIDR form'],
    ['10.0.0.0', 'must be a private IPv4 range in CIDR form'],
    ['10.0.0.0/99', 'must be a private IPv4 range in CIDR form'],
    ['192.168.0.0/8', 'must be a range of /16 to /29 in 192.168.0.0/16'],
    ['10.0.0.0/30', 'must be a range of /8 to /29 in 10.0.0.0/8'],
    ['10.0.0.5/24', 'must begin at its first address: 10.0.0.0/24'],
    ['172.16.3.9/29', 'must begin at its first address: 172.16.3.8/29'],
  ])('is not %s', (text, fault) => {
    expect(faultOf(cidr, text)).toBe(fault);
  });
});

describe('a schedule', () => {
  it.each([
    '0 3 * * *',
    '*/15 0-6 * * MON-FRI',
    '30 2 1,15 JAN-MAR,12 7',
    '0 8-18/2 * * sun',
    '5-59/10 * * * 0',
    '59 23 31 12 6',
  ])('is %s', (text) => {
    expect(faultOf(cron, text)).toBeNull();
  });
  it.each([
    ['a b c d e', ''],
    ['60 * * * *', ': Invalid value for minute'],
    ['0 25 * * *', ': Invalid value for hour'],
    ['0 3 0 * *', ': Invalid value for day'],
    ['0 3 L * *', ''],
    ['0 3 1W * *', ''],
    ['0 3 * * 1#2', ''],
    ['0 3 ? * *', ''],
    ['0 3 * MON *', /illegal characters/],
    ['0 3 * * 8', ': Invalid value for dayOfWeek'],
    ['0 18-8 * * *', /larger than to value/],
    ['*/0 * * * *', /illegal stepping/],
    ['0 3,, * * *', /empty/],
    ['0 3 * *', ''],
    ['0  3 * * *', ''],
    ['@daily', ''],
  ])('is not %s', (text, fault) => {
    const said = 'must be a cron expression of five fields';
    if (typeof fault === 'string') expect(faultOf(cron, text)).toBe(`${said}${fault}`);
    else expect(faultOf(cron, text)).toMatch(fault);
  });
});

describe('a time zone', () => {
  it.each(['Etc/UTC', 'UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+1', 'EST5EDT'])(
    'is %s',
    (text) => {
      expect(faultOf(timeZone, text)).toBeNull();
    },
  );
  it.each(['Mars/Phobos', '+01:00', 'europe/berlin', '', 'Berlin'])('is not %s', (text) => {
    expect(faultOf(timeZone, text)).toBe('must be the name of a time zone, as Europe/Berlin');
  });
});

describe('a bucket', () => {
  it.each([
    'abc',
    'example-data-dev-reseal',
    'a_b-c',
    'files.example.com',
    '12345',
    'v1.2.3',
    'us-central1-composer-1a2b3c4d-bucket',
    `${'a'.repeat(60)}.${'b'.repeat(60)}.example.com`,
  ])('is %s', (text) => {
    expect(faultOf(bucketName, text)).toBeNull();
  });
  it.each([
    'a..b-.c',
    'a.-b',
    'ab',
    'gs://a-bucket',
    'Bucket',
    '-abc',
    'abc_',
    'a'.repeat(64),
    `${'a'.repeat(64)}.example.com`,
    '192.168.5.4',
    'goog-bucket',
    'my-google-files',
  ])('is not %s', (text) => {
    expect(faultOf(bucketName, text)).toBe('must be a bucket name, without gs://');
  });
});

describe('an image', () => {
  const digest = `sha256:${'0a'.repeat(32)}`;
  it.each([
    'us-central1-docker.pkg.dev/serverless-runtimes/google-22/runtimes/nodejs22',
    'europe-docker.pkg.dev/a-project/images/node:22',
    `europe-docker.pkg.dev/a-project/images/node@${digest}`,
    `europe-docker.pkg.dev/a-project/images/node:22-slim@${digest}`,
    'docker.io/library/node:22',
  ])('is %s', (text) => {
    expect(faultOf(containerImage, text)).toBeNull();
  });
  it.each([
    'node',
    'library/node:22',
    'https://europe-docker.pkg.dev/a-project/images/node',
    'europe-docker.pkg.dev/a-project/images/Node',
    'europe-docker.pkg.dev/a-project/images/node:',
    'europe-docker.pkg.dev/a-project/images/node@sha256:0a0a',
    'europe-docker.pkg.dev/',
    'europe-docker.pkg.dev/a-project/images/node 22',
  ])('is not %s', (text) => {
    expect(faultOf(containerImage, text)).toMatch(/^must be the full name of an image/);
  });
});

import type { Storage } from '@google-cloud/storage';
import { expect, it } from 'vitest';
import { removeFiles } from '../../jobs/engines/dataproc/temp-files.ts';
import { aDeployment } from '../support/deployment.ts';

/** Cloud Storage that answers a listing so. */
const answering = (error: object): Storage =>
  ({ bucket: () => ({ getFiles: async () => Promise.reject(error) }) }) as unknown as Storage;

it.each([
  ['a bucket that is gone has none', { code: 404, message: 'The specified bucket does not exist.' }, 0],
  ['nobody knows where the caller may not list', { code: 403, message: 'no storage.objects.list' }, null],
  ['nobody knows where Cloud Storage fails', { code: 503, message: 'Service Unavailable' }, null],
])('%s', async (_what, error, files) => {
  expect(await removeFiles(answering(Object.assign(new Error(), error)), aDeployment(), 'a-run')).toBe(files);
});

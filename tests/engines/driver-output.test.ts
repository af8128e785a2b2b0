import type { Storage } from '@google-cloud/storage';
import { expect, it } from 'vitest';
import { driverOutput } from '../../jobs/engines/dataproc/driver-output.ts';

const COUNTS = '{"reseal": "counts", "kms_calls": 3}';

/** Cloud Storage with these objects, of which the named one cannot be read the first time. */
function storageOf(objects: Record<string, string>, unreadable: string): Storage {
  let failed = false;
  const files = Object.entries(objects).map(([name, text]) => ({
    name,
    metadata: { size: text.length },
    async download({ start, end }: { start: number; end: number }) {
      if (name === unreadable && !failed) {
        failed = true;
        throw new Error('503');
      }
      return [Buffer.from(text).subarray(start, end + 1)];
    },
  }));
  return { bucket: () => ({ getFiles: async () => [files] }) } as unknown as Storage;
}

it('loses nothing of one object where the next cannot be read, and says nothing twice', async () => {
  const storage = storageOf({ 'out.0': `a line\n${COUNTS}\n`, 'out.1': 'more\n' }, 'out.1');
  const output = driverOutput(storage);
  await expect(output.lines('gs://bucket/out')).rejects.toThrow('503');
  expect(await output.lines('gs://bucket/out')).toEqual(['a line', COUNTS, 'more']);
  expect(await output.lines('gs://bucket/out')).toEqual([]);
  expect(output.lastLines()).toEqual(['a line', COUNTS, 'more']);
});

it('knows that there is none yet', async () => {
  const output = driverOutput(storageOf({}, ''));
  for (const none of ['', null, undefined]) expect(await output.lines(none)).toEqual([]);
});

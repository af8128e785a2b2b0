import { expect, it } from 'vitest';
import { stageSummary } from '../../jobs/run/summaries.ts';

const outcome = { kmsCalls: 0, attempt: 'an-attempt', batchId: null, milliDcuSeconds: null };

it('nothing was to be re-encrypted where nothing was selected, not where no call was needed', () => {
  expect(stageSummary(outcome, { selected: 0 })).toBe('nothing to re-encrypt');
  expect(stageSummary(outcome, { selected: 5 })).toBe('staged with 0 KMS calls');
  expect(stageSummary({ ...outcome, kmsCalls: null }, { selected: 5 })).toBe('staged');
});

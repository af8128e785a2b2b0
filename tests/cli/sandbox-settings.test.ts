import { describe, expect, it } from 'vitest';
import { settledSettings } from '../../jobs/cli/sandbox-settings.ts';

describe('the settings of a sandbox', () => {
  const kept = { keying: 'shared', storePlaintext: 'true', verifyRows: '5' };

  it('are those that were kept, which are named, and on top those of the command', () => {
    expect(settledSettings(kept, { verifyRows: '7' })).toEqual({
      config: { ...kept, verifyRows: '7' },
      before: ['keying=shared', 'storePlaintext=true'],
    });
  });

  it('are taken back by an empty value', () => {
    expect(settledSettings(kept, { storePlaintext: '', maxRejectedShare: '' })).toEqual({
      config: { keying: 'shared', verifyRows: '5' },
      before: ['keying=shared', 'verifyRows=5'],
    });
  });
});

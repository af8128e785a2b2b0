import { describe, expect, it } from 'vitest';
import { settingFaults } from '../../jobs/setup/setting-faults.ts';

const faults = (settings: object) =>
  settingFaults({ project: 'example-data-crm', createSourceTable: true, ...settings });

describe('names of fields', () => {
  it('are taken where the program takes them', () => {
    expect(faults({ fields: [{ name: 'email' }, { name: 'phone' }] })).toEqual([]);
  });

  it.each([
    [
      { fields: [{ name: 'email' }, { name: 'Email', sealed: 'other' }] },
      'must not name a field twice: email',
    ],
    [{ idColumn: 'resealed_at' }, 'must not use a column for two things: resealed_at'],
    [{ fields: [{ name: 'Id' }] }, 'must not name a field Id: that is what the ids are read as'],
    [{ idColumn: 'Email' }, 'must not name a field email: that is reseal:idColumn'],
    [
      { fields: [{ name: 'email' }, { name: 'email_unreadable' }] },
      'must not name a field email_unreadable: whoever reads values finds there whether one does not open',
    ],
    [
      { keying: 'deterministic', fields: [{ name: 'email' }, { name: 'email_token' }] },
      'must not name a field email_token: the read view has that column for a token',
    ],
  ])('are refused as the program refuses them: %j', (settings, fault) => {
    expect(faults(settings)).toEqual([`reseal:fields ${fault}`]);
  });
});

import { describe, expect, it } from 'vitest';
import { sampleIds } from '../../jobs/setup/sample-ids.ts';

const EMPTY = { first: null, last: null };

describe('ids of made-up rows', () => {
  it.each([
    ['INT64', ['1', '2']],
    ['NUMERIC', ['1', '2']],
    ['BOOL', ['false', 'true']],
    ['DATE', ['2000-01-01', '2000-01-02']],
    ['DATETIME', ['2000-01-01 00:00:00', '2000-01-01 00:00:01']],
    ['TIMESTAMP', ['2000-01-01 00:00:00+00', '2000-01-01 00:00:01+00']],
  ] as const)('of %s in an empty table', (idType, ids) => {
    expect(sampleIds(idType, EMPTY, 2)).toEqual(ids);
  });

  it.each([
    ['INT64', '-5', '4611686018427387904', ['4611686018427387905', '4611686018427387906']],
    ['INT64', '-5', '9223372036854775806', ['-7', '-6']],
    ['NUMERIC', '-1.5', '-1.25', ['-1', '0']],
    ['NUMERIC', '-1.5', '99999999999999999999999999999', ['-4', '-3']],
    ['DATE', '1969-12-31', '2024-02-28', ['2024-02-29', '2024-03-01']],
    ['DATE', '0900-01-03', '9999-12-31', ['0900-01-01', '0900-01-02']],
    [
      'DATETIME',
      '1969-12-31 00:00:00',
      '2024-12-31 23:59:59.5',
      ['2025-01-01 00:00:00', '2025-01-01 00:00:01'],
    ],
    [
      'TIMESTAMP',
      '1969-12-31 23:59:59.5+00',
      '9999-12-31 23:59:59+00',
      ['1969-12-31 23:59:57+00', '1969-12-31 23:59:58+00'],
    ],
  ] as const)(
    'of %s are behind the highest, or before the lowest where there is no room: %s, %s',
    (idType, first, last, ids) => {
      expect(sampleIds(idType, { first, last }, 2)).toEqual(ids);
    },
  );

  it("of STRING are nobody else's", () => {
    const ids = sampleIds('STRING', { first: 'a', last: 'z' }, 100);
    expect(new Set(ids).size).toBe(100);
  });

  it('are not made where neither side has room', () => {
    expect(() => sampleIds('BOOL', { first: 'true', last: 'true' }, 2)).toThrow(/no room for 2 ids/);
    expect(sampleIds('BOOL', { first: 'true', last: 'true' }, 1)).toEqual(['false']);
    expect(() => sampleIds('DATE', { first: '0001-01-02', last: '9999-12-31' }, 2)).toThrow(
      /no room for 2 ids/,
    );
  });
});

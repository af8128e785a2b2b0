import { BigQuery } from '@google-cloud/bigquery';
import { describe, expect, it } from 'vitest';
import { jsonValue } from '../../jobs/google/json-values.ts';

describe('a value as JSON has it', () => {
  it.each([
    [
      'a moment, to the microsecond',
      BigQuery.timestamp('2026-01-02T03:04:05.678901Z'),
      '2026-01-02T03:04:05.678901Z',
    ],
    ['a date', BigQuery.date('2026-01-02'), '2026-01-02'],
    ['a range', BigQuery.range('[2026-01-02, UNBOUNDED)', 'DATE'), '[2026-01-02, UNBOUNDED)'],
    ['a place', BigQuery.geography('POINT(1 2)'), 'POINT(1 2)'],
    ['bytes', Buffer.from('abc'), 'YWJj'],
    ['no number', Number.NEGATIVE_INFINITY, '-Infinity'],
    [
      'what is inside others',
      { value: [{ day: BigQuery.date('2026-01-02') }, null] },
      { value: [{ day: '2026-01-02' }, null] },
    ],
  ])('%s', (_, value, json) => {
    expect(jsonValue(value)).toEqual(json);
  });
});

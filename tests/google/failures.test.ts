import { describe, expect, it } from 'vitest';
import { bigQueryFailure, isAboutValues } from '../../jobs/google/failures.ts';

const failed = (message: string, more: object = {}) =>
  bigQueryFailure('prove', Object.assign(new Error(message), more));
const because = (reason: string, message: string) => failed(message, { errors: [{ reason, message }] });

describe('what BigQuery failed with', () => {
  it.each(['ENETUNREACH', 'EHOSTUNREACH', 'EPIPE', 'ECONNABORTED'])('is the network by %s', (code) => {
    expect(failed(`connect ${code}`, { code })).toMatchObject({ code: 'bigquery-unreachable' });
  });

  it.each([502, 503, 504])('passes by %i without a word of Google', (code) => {
    expect(failed('<html>Error</html>', { code })).toMatchObject({ code: 'bigquery-busy' });
  });

  it('is the credentials by 401', () => {
    expect(failed('Request had invalid authentication credentials.', { code: 401 })).toMatchObject({
      code: 'no-credentials',
      hint: expect.stringContaining('application-default login'),
    });
  });

  it('is a moment that BigQuery has no tables of any more', () => {
    const said =
      'Invalid snapshot time 1601168925462 for table p:d.users@1601168925462. Cannot read before 1601573410026.';
    expect(because('invalidQuery', said)).toMatchObject({
      code: 'snapshot-gone',
      hint: expect.stringContaining('start a new one'),
    });
  });

  it.each([
    'Unrecognized name: settings at [1:214]',
    'Unrecognized name: not_whole; Did you mean not_old? at [1:8]',
    'Name counted_attempt not found inside r at [2:5]',
    'Column settings is not present in table example-data-dev.encryption_poc.runs at [1:30]',
    'Unrecognized name: `same_keys_as` at [1:8]',
  ])('is a table of the stack that an older version of the program made: %s', (message) => {
    const failure = because('invalidQuery', message);
    expect(failure).toMatchObject({
      code: 'bigquery-missing',
      hint: expect.stringContaining('run `pulumi up` with this version'),
    });
    expect(isAboutValues(failure)).toBe(false);
  });

  it.each([
    ['rateLimitExceeded', 'Exceeded rate limits: too many table update operations', 'bigquery-busy'],
    ['quotaExceeded', 'Quota exceeded: Your project exceeded quota for query jobs', 'bigquery'],
    ['accessDenied', 'Access Denied: Table p:d.users', 'bigquery-denied'],
  ])('is by 403 a missing role for the reason of one alone: %s', (reason, message, code) => {
    expect(failed(message, { code: 403, errors: [{ reason, message }] }).code).toBe(code);
  });

  it('is no table of the stack where the column is none of its own', () => {
    expect(because('invalidQuery', 'Unrecognized name: phone at [1:8]').code).toBe('bigquery');
  });

  it('is a mistake of the user where the statement is their own', () => {
    const message = 'Unrecognized name: state at [1:8]';
    const error = Object.assign(new Error(message), { errors: [{ reason: 'invalidQuery', message }] });
    expect(bigQueryFailure('sql', error)).toMatchObject({ code: 'bigquery', hint: undefined });
  });

  it.each([
    ['stopped', 'Job execution was cancelled: User requested cancellation'],
    ['resourcesExceeded', 'Resources exceeded during query execution'],
    ['quotaExceeded', 'Quota exceeded: Your project exceeded quota for imports per table'],
  ])('says nothing of the values by %s, and what to do', (reason, message) => {
    const failure = because(reason, message);
    expect(isAboutValues(failure)).toBe(false);
    expect(failure.hint).toContain('--resume');
  });

  it.each([
    ['invalidQuery', 'Array index 9 is out of bounds'],
    ['invalid', 'AEAD.DECRYPT_STRING failed: decryption failed'],
  ])('is about the values by %s: %s', (reason, message) => {
    const failure = because(reason, message);
    expect([failure.code, isAboutValues(failure)]).toEqual(['bigquery', true]);
  });
});

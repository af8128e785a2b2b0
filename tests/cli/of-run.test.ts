import { afterEach, describe, expect, it } from 'vitest';
import {
  asResealError,
  explained,
  type Found,
  runIdOf,
  setRunAtHand,
  withoutRun,
  withRun,
} from '../../jobs/cli/of-run.ts';
import { ERROR_CODES } from '../../jobs/contract/error-codes.ts';
import { ResealError } from '../../jobs/contract/errors.ts';

const job = { id: 'pr-7', via: 'job' } as const;
const row = (state: string) => ({ run_id: 'pr-7', state }) as Found;
const busy = new ResealError('bigquery-busy', 'BigQuery, step plan: busy', {
  hint: 'it passes: `--resume RUN` in a few minutes',
});
const denied = new ResealError('kms-denied', 'no', { hint: 'grant a role', cause: new Error('why') });
const GO_ON = '`npm run trigger -- --resume pr-7`';

/** What a user reads, and what a script does. */
const said = (error: unknown, found: Found, run: Parameters<typeof explained>[1] = job) => {
  const failure = explained(error, run, found);
  return [failure.code, failure.message, failure.hint, runIdOf(failure)];
};

describe('a failure of a run that the ledger has', () => {
  it.each<[string, ResealError, string, string | undefined]>([
    ['says how to go on in the words of its hint', busy, 'failed', `it passes: ${GO_ON} in a few minutes`],
    ['says how to go on behind its hint', denied, 'failed', `grant a role; ${GO_ON} goes on`],
    ['says how to go on without a hint', new ResealError('spark-failed', 'no'), 'failed', `${GO_ON} goes on`],
    [
      'says that the run is merged',
      denied,
      'succeeded',
      `grant a role; it is merged: ${GO_ON} prints its report`,
    ],
    [
      'leaves a hint alone that ends the run',
      new ResealError('batch-failed', 'no', { hint: '`npm run reseal -- abandon RUN` and start a new one' }),
      'failed',
      '`npm run reseal -- abandon pr-7` and start a new one',
    ],
    ['of somebody else says nothing', new ResealError('run-live', 'no', { hint: 'wait' }), 'staging', 'wait'],
    ['is not gone on with', new ResealError('run-abandoned', 'no'), 'abandoned', undefined],
  ])('%s', (_title, error, state, hint) => {
    expect(said(error, row(state))).toEqual([error.code, `run pr-7: ${error.message}`, hint, 'pr-7']);
  });

  it('names the run once, keeps its cause, and goes on by the workflow where that drives it', () => {
    const own = new ResealError('run-taken-over', 'run pr-7 is driven by another');
    expect(said(own, row('staging'))[1]).toBe(own.message);
    expect(explained(denied, job, row('failed')).cause).toBe(denied.cause);
    const workflow = { id: 'pr-7', via: 'workflow' } as const;
    expect(said(denied, row('failed'), workflow)[2]).toBe(
      'grant a role; `npm run trigger -- --resume pr-7 --via workflow` goes on',
    );
    expect(withRun(ERROR_CODES['workflow-failed'].remedy, workflow)).toBe(
      '`npm run trigger -- --resume pr-7 --via workflow` goes on',
    );
    expect(withRun(ERROR_CODES['rejected-share'].remedy, workflow)).toContain(
      '`npm run trigger -- --resume pr-7 --accept-rejected --via workflow`',
    );
  });

  it('may be one that nobody foresaw', () => {
    expect(said(new TypeError('x is not a function'), row('staging'))).toEqual([
      'internal',
      'run pr-7: x is not a function',
      `${GO_ON} goes on`,
      'pr-7',
    ]);
  });
});

describe('a failure before the ledger has the run', () => {
  it.each<[ResealError, string]>([
    [busy, 'it passes: run it again in a few minutes; nothing was begun'],
    [denied, 'grant a role; nothing was begun: run it again'],
  ])('names no run: %s', (error, hint) => {
    expect(said(error, null)).toEqual([error.code, error.message, hint, undefined]);
  });

  it('is left alone where the call was not usable', () => {
    const unusable = new ResealError('run-unknown', 'the ledger has no run pr-7', { hint: 'look' });
    expect(explained(unusable, job, null)).toBe(unusable);
  });
});

describe('a failure of which nobody knows whether the ledger has the run', () => {
  afterEach(() => setRunAtHand(null));

  it('says where that shows', () => {
    const look = '`npm run reseal -- history` shows whether it was begun';
    expect(said(denied, undefined)[2]).toBe(`grant a role; ${look}; if so, ${GO_ON} goes on`);
    expect(said(busy, undefined)[2]).toBe(`it passes: ${GO_ON} in a few minutes; ${look}`);
  });

  it('is that of an error which comes past everything while a run is under way', () => {
    expect(asResealError(new Error('oh'))).toMatchObject({
      code: 'internal',
      message: 'oh',
      hint: undefined,
    });
    setRunAtHand(job);
    const failure = asResealError(new Error('oh'));
    expect([failure.message, failure.hint, runIdOf(failure)]).toEqual([
      'run pr-7: oh',
      expect.stringContaining(GO_ON),
      'pr-7',
    ]);
    expect(asResealError(denied)).toBe(denied);
  });
});

it('hints for whoever has no run at all say to run it again', () => {
  expect(withoutRun('somebody cancelled the job: `--resume RUN` goes on')).toBe(
    'somebody cancelled the job: run it again',
  );
  expect(withoutRun('check the network, then `--resume RUN`')).toBe('check the network, then run it again');
});

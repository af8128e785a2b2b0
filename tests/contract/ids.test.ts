import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  batchId,
  checkNewRunId,
  checkRunId,
  keysJobId,
  leftOf,
  loadJobId,
  MAX_ATTEMPTS,
  RUN_ID,
  type StagingTable,
  sealJobId,
  waveId,
} from '../../jobs/contract/ids.ts';
import { aDeployment } from '../support/deployment.ts';

const { tables } = aDeployment();
const HERE: StagingTable = { dataset: 'encryption_poc', tables };

/** The jobs of BigQuery that a run may have at work. */
function jobsOf(d: StagingTable, runId: string, wave: number, attempt: number): string[] {
  const id = waveId(runId, wave);
  const seal = sealJobId(d, id, attempt);
  return [loadJobId(d, id, attempt), keysJobId(d, id, attempt), seal, loadJobId(d, leftOf(seal), attempt)];
}

/** Every id that a run may give to what it has at work. */
const idsOf = (runId: string, wave: number, attempt: number): string[] => [
  batchId(waveId(runId, wave), attempt),
  ...jobsOf(HERE, runId, wave, attempt),
];

const runIds = fc.stringMatching(/^[a-z0-9][a-z0-9-]{3,35}$/).filter((id) => !id.includes('--'));
const waves = fc.integer({ min: 0, max: 3 });
const attempts = fc.integer({ min: 1, max: MAX_ATTEMPTS });

it.each([
  ['an attempt', 'pr-7', 'pr-7-2'],
  ['a wave', 'pr-7', 'pr-7-w2'],
  ['a job of its own', 'pr-7', 'reseal-pr-7-seal-1'],
])('no run names %s of another', (_what, one, other) => {
  const all = (runId: string) => [0, 1].flatMap((wave) => [1, 2].flatMap((n) => idsOf(runId, wave, n)));
  expect(all(one).filter((id) => all(other).includes(id))).toEqual([]);
});

it('no two runs share an id, whatever they are called', () => {
  fc.assert(
    fc.property(
      fc.tuple(runIds, waves, attempts),
      fc.tuple(runIds, waves, attempts),
      fc.constantFrom('', '-2', '-w2', '-w2-2', '-'),
      ([one, wave, attempt], [other, ...more], behind) => {
        for (const second of [other, `${one}${behind}`]) {
          if (second === one || second.includes('--')) continue;
          const ids = idsOf(one, wave, attempt);
          expect(idsOf(second, ...more).filter((id) => ids.includes(id))).toEqual([]);
        }
      },
    ),
  );
});

it('no two stacks of a project share a job, although they have a run of the same id', () => {
  const other = { ...tables, staging: 'customers_temp' };
  for (const there of [
    { ...HERE, dataset: 'staging' },
    { ...HERE, tables: other },
  ])
    for (const attempt of [1, MAX_ATTEMPTS])
      expect(
        jobsOf(there, 'nightly', 0, attempt).filter((id) => jobsOf(HERE, 'nightly', 0, attempt).includes(id)),
      ).toEqual([]);
});

it("keeps within Google's lengths", () => {
  const longest = waveId('a'.repeat(RUN_ID.most), 999_999);
  expect(batchId(longest, MAX_ATTEMPTS)).toMatch(/^[a-z0-9][a-z0-9-]{2,61}[a-z0-9]$/);
  const seal = sealJobId(HERE, longest, MAX_ATTEMPTS);
  expect(loadJobId(HERE, leftOf(seal), MAX_ATTEMPTS)).toMatch(/^[\w-]{1,1024}$/);
});

it('a new run has no two dashes in a row, one of an older version may', () => {
  expect(() => checkNewRunId('pr--7')).toThrow(expect.objectContaining({ code: 'run-id' }));
  expect(checkRunId('pr--7')).toBe('pr--7');
  expect(checkNewRunId('pr-7')).toBe('pr-7');
});

import type { Deployment } from '../../../jobs/contract/deployment.ts';
import type { Statements } from '../../../jobs/contract/sql/index.ts';
import { FEW_REJECTED } from '../../../jobs/contract/verdict.ts';
import { choose, query, raise, type Step } from '../steps.ts';
import { ATTEMPT, hasJar, KEYSET, OWN } from './values.ts';

/** Sees to it that every selected value of the wave is sealed or rejected, and that what is sealed opens. */
export function verify(d: Deployment, sql: Statements): Step[] {
  return [
    {
      mark_staged: query(sql.markStaged, {
        ...ATTEMPT,
        owner: 'owner',
        kms_calls: 'outcome.kms_calls',
        batch_id: 'outcome.id',
        milli_dcu_seconds: 'outcome.milli_dcu_seconds',
      }),
    },
    ...(hasJar(d) ? [{ adopt_rows_of_jar: query(sql.adopt, ATTEMPT) }] : []),
    { count_staged: query(sql.stagedCounts, ATTEMPT, 'staged') },
    // A jar chooses its rows by itself, and only its owner knows their keys.
    ...(hasJar(d) ? [] : prove(d, sql)),
    {
      mark_verified: query(sql.markVerified, {
        ...OWN,
        staged: 'staged.staged',
        rejected: 'staged.rejected',
        unauthenticated: 'staged.unauthenticated',
      }),
    },
  ];
}

const prove = (d: Deployment, sql: Statements): Step[] => [
  {
    compare_counts: choose({
      'int(staged.staged) + int(staged.rejected) == int(selected)': 'check_rejected',
    }),
  },
  {
    fail_counts_differ: raise(
      'verify-count',
      'selected + " values were selected, but " + staged.staged + " are sealed and " + staged.rejected + " rejected"',
    ),
  },
  {
    check_rejected: choose({
      accept_rejected: 'open_staged',
      [`int(staged.newly_rejected) <= ${FEW_REJECTED} or int(staged.newly_rejected) <= ${d.maxRejectedShare} * int(selected)`]:
        'open_staged',
    }),
  },
  { read_reasons: query(sql.stagedReasons, ATTEMPT, 'most') },
  {
    fail_too_many_rejected: raise(
      'rejected-share',
      'staged.newly_rejected + " of " + selected + " values would be rejected; " + most.n + " of them because of " + most.reason',
    ),
  },
  { open_staged: query(sql.proveStaged, { ...ATTEMPT, ...KEYSET }, 'proof') },
  { compare_opened: choose({ 'proof.wrong == "0"': 'mark_verified' }) },
  {
    fail_opened_differs: raise(
      'verify-open',
      'proof.wrong + " of " + proof.checked + " staged values open to something else"',
    ),
  },
];

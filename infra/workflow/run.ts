import type { Deployment } from '../../jobs/contract/deployment.ts';
import { batchId } from '../../jobs/contract/ids.ts';
import { NO_CUTOFF, type Statements, statements } from '../../jobs/contract/sql/index.ts';
import { FEW_REJECTED, MOST_SEALS, NOT_WHOLE } from '../../jobs/contract/verdict.ts';
import {
  assign,
  call,
  choose,
  expression,
  mark,
  query,
  raise,
  type Step,
  type Subworkflow,
  unmarked,
} from './steps.ts';

/** plan → stage → verify → merge, each step as the job has it, and from wherever the ledger says the run is. */
export function runSubworkflow(d: Deployment): Subworkflow {
  const sql = statements(d);
  return {
    params: ['run_id', 'mode', 'row_limit', 'accept_rejected'],
    steps: [...plan(d, sql), ...stage(d, sql), ...verify(d, sql), ...merge(sql)],
  };
}

const ID = { run_id: 'run_id' };
/** The batch that staged the rows; empty for a run without a value. */
const ATTEMPT = { ...ID, attempt: 'outcome.id' };

const hasJar = (d: Deployment): boolean => d.batch.jarFile !== null;

function plan(d: Deployment, sql: Statements): Step[] {
  const selection = { mode: 'mode', snapshot_millis: 'clock.snapshot_millis', id_cutoff: 'id_cutoff' };
  return [
    { read_ledger: query(sql.readRun, ID, 'row') },
    { is_known_run: choose({ '"run_id" in row': 'resume_from_state' }) },
    { fix_snapshot: query(sql.clock, {}, 'clock') },
    { find_streamed: call('streaming', { field: 'streamingBuffer' }, 'streamed') },
    { has_streamed: choose({ 'streamed == ""': 'take_all_ids' }) },
    { leave_streamed: assign({ 'clock.snapshot_millis': expression('streamed') }) },
    { take_all_ids: assign({ id_cutoff: NO_CUTOFF }) },
    { is_limited: choose({ 'row_limit == 0': 'count_values' }) },
    { find_id_cutoff: query(sql.cutoff, { ...selection, row_limit: 'string(row_limit)' }, 'highest') },
    // Nothing selected has no highest id.
    {
      lower_id_cutoff: assign({ id_cutoff: expression('default(map.get(highest, "id_cutoff"), id_cutoff)') }),
    },
    { count_values: query(sql.count, selection, 'counted') },
    { read_keyset: query(sql.newestKeyset, {}, 'newest') },
    { has_keyset: choose({ '"version" in newest': 'count_seals' }) },
    { create_keyset: query(sql.ensureKeyset, {}) },
    { read_created_keyset: query(sql.newestKeyset, {}, 'newest') },
    { count_seals: query(sql.sealsUnder, { version: 'newest.version' }, 'sealed') },
    {
      check_seals: choose({
        [`int(sealed.seals) + int(counted.selected) <= ${MOST_SEALS}`]: 'enter_into_ledger',
      }),
    },
    {
      fail_keyset_exhausted: raise(
        'keyset-exhausted',
        '"version " + newest.version + " of the first-level keyset would have sealed more values than one AES-GCM key may: rotate it"',
      ),
    },
    {
      enter_into_ledger: query(sql.openRun, {
        ...ID,
        via: '"workflow"',
        engine: '"dataproc"',
        mode: 'mode',
        source_format: `"${d.sourceFormat}"`,
        keying: `"${d.keying}"`,
        keyset_version: 'newest.version',
        snapshot: 'clock.snapshot_millis',
        id_cutoff: 'id_cutoff',
        selected: 'counted.selected',
        distinct_deks: 'counted.distinct_deks',
      }),
    },
    // From here on the ledger's row is the plan, for this try and for any later one.
    { read_plan: query(sql.readRun, ID, 'row') },
    {
      resume_from_state: choose(
        {
          'row.state == "succeeded"': 'return_result',
          [`row.keying != "${d.keying}" or row.source_format != "${d.sourceFormat}"`]:
            'fail_settings_changed',
          'row.state == "verified"': 'merge_rows',
        },
        'read_run_keyset',
      ),
    },
    {
      fail_settings_changed: raise(
        'resume-changed',
        `"run " + run_id + " began with " + row.source_format + " and " + row.keying + " keying; the stack now has ${d.sourceFormat} and ${d.keying}"`,
      ),
    },
    { read_run_keyset: query(sql.keysetVersion, { version: 'row.keyset_version' }, 'keyset') },
  ];
}

const stage = (d: Deployment, sql: Statements): Step[] => [
  { expect_nothing: assign({ outcome: { id: '', kms_calls: '0', milli_dcu_seconds: '' }, batch_id: '' }) },
  { has_values: choose({ 'row.selected == "0"': 'mark_staging' }) },
  { name_first_batch: assign({ batch_id: unmarked(batchId(mark('run_id'), 1)) }) },
  { mark_staging: query(sql.markStaging, { ...ID, batch_id: 'batch_id' }) },
  // After these failures the staged rows are not whole, and a further batch stages all of them.
  {
    is_staged_whole: assign({
      anew: expression(
        `text.match_regex(default(map.get(row, "error_code"), ""), "^(${NOT_WHOLE.join('|')})$")`,
      ),
    }),
  },
  { skip_empty_batch: choose({ 'row.selected == "0"': hasJar(d) ? 'adopt_rows_of_jar' : 'count_staged' }) },
  {
    run_batch: call(
      'batch',
      {
        run_id: expression('run_id'),
        mode: expression('row.mode'),
        anew: expression('anew'),
        row_limit: expression('row_limit'),
        plan: expression('row'),
      },
      'outcome',
    ),
  },
];

function verify(d: Deployment, sql: Statements): Step[] {
  return [
    ...(hasJar(d) ? [{ adopt_rows_of_jar: query(sql.adopt, ATTEMPT) }] : []),
    { count_staged: query(sql.stagedCounts, ATTEMPT, 'staged') },
    // A jar chooses its rows by itself, and only its owner knows their keys.
    ...(hasJar(d) ? [] : prove(d, sql)),
    {
      mark_verified: query(sql.markVerified, {
        ...ATTEMPT,
        staged: 'staged.staged',
        rejected: 'staged.rejected',
        unauthenticated: 'staged.unauthenticated',
        kms_calls: 'outcome.kms_calls',
        batch_id: 'outcome.id',
        milli_dcu_seconds: 'outcome.milli_dcu_seconds',
      }),
    },
  ];
}

const prove = (d: Deployment, sql: Statements): Step[] => [
  {
    compare_counts: choose({
      'int(staged.staged) + int(staged.rejected) == int(row.selected)': 'check_rejected',
    }),
  },
  {
    fail_counts_differ: raise(
      'verify-count',
      'row.selected + " values were selected, but " + staged.staged + " are sealed and " + staged.rejected + " rejected"',
    ),
  },
  {
    check_rejected: choose({
      accept_rejected: 'open_staged',
      [`int(staged.newly_rejected) <= ${FEW_REJECTED} or int(staged.newly_rejected) <= ${d.maxRejectedShare} * int(row.selected)`]:
        'open_staged',
    }),
  },
  { read_reasons: query(sql.stagedReasons, ATTEMPT, 'most') },
  {
    fail_too_many_rejected: raise(
      'rejected-share',
      'staged.newly_rejected + " of " + row.selected + " values would be rejected; " + most.n + " of them because of " + most.reason',
    ),
  },
  { open_staged: query(sql.proveStaged, { ...ATTEMPT, keyset: 'keyset.wrapped' }, 'proof') },
  { compare_opened: choose({ 'proof.wrong == "0"': 'mark_verified' }) },
  {
    fail_opened_differs: raise(
      'verify-open',
      'proof.wrong + " of " + proof.checked + " staged values open to something else"',
    ),
  },
];

const merge = (sql: Statements): Step[] => [
  { merge_rows: query(sql.merge, ID) },
  { read_result: query(sql.readRun, ID, 'row') },
  { is_merged: choose({ 'row.state == "succeeded"': 'return_result' }) },
  { fail_not_merged: raise('merge-state', '"run " + run_id + " is " + row.state + ": nothing was merged"') },
  { return_result: { return: expression('row') } },
];

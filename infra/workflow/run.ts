import type { Deployment } from '../../jobs/contract/deployment.ts';
import { NO_CUTOFF, type Statements, statements } from '../../jobs/contract/sql/index.ts';
import { assign, call, choose, expression, query, raise, type Step, type Subworkflow } from './steps.ts';

/** plan → stage → verify → merge, each step as the job has it, and from wherever the ledger says the run is. */
export function runSubworkflow(d: Deployment): Subworkflow {
  const sql = statements(d);
  return {
    params: ['run_id', 'mode', 'row_limit'],
    steps: [...plan(d, sql), ...stage(sql), ...verify(d, sql), ...merge(sql)],
  };
}

const ID = { run_id: 'run_id' };

function plan(d: Deployment, sql: Statements): Step[] {
  const selection = { mode: 'mode', snapshot_millis: 'clock.snapshot_millis', id_cutoff: 'id_cutoff' };
  return [
    { known: query(sql.readRun, ID, 'row') },
    { begun: choose({ '"run_id" in row': 'where' }) },
    { keying: query(sql.lastKeying, {}, 'last_run') },
    {
      same_keying: choose({
        [`default(map.get(last_run, "keying"), "${d.keying}") == "${d.keying}"`]: 'clock',
        'mode == "all" and row_limit == 0': 'clock',
      }),
    },
    {
      other_keying: raise(
        'keying-changed',
        `"the rows were sealed with " + last_run.keying + " keying; the stack now says ${d.keying}: seal every row anew with mode all"`,
      ),
    },
    { clock: query(sql.clock, {}, 'clock') },
    { no_cutoff: assign({ id_cutoff: NO_CUTOFF }) },
    { limited: choose({ 'row_limit == 0': 'count' }) },
    { cutoff: query(sql.cutoff, { ...selection, row_limit: 'string(row_limit)' }, 'highest') },
    // Nothing selected has no highest id.
    { lowered: assign({ id_cutoff: expression('default(map.get(highest, "id_cutoff"), id_cutoff)') }) },
    { count: query(sql.count, selection, 'counted') },
    { newest_keyset: query(sql.newestKeyset, {}, 'newest') },
    { any_keyset: choose({ '"version" in newest': 'open' }) },
    { first_keyset: query(sql.ensureKeyset, {}) },
    { read_keyset: query(sql.newestKeyset, {}, 'newest') },
    {
      open: query(sql.openRun, {
        ...ID,
        driver: '"workflow"',
        engine: '"dataproc"',
        mode: 'mode',
        source_format: `"${d.sourceFormat}"`,
        keying: `"${d.keying}"`,
        keyset_version: 'newest.version',
        snapshot_millis: 'clock.snapshot_millis',
        id_cutoff: 'id_cutoff',
        selected: 'counted.selected',
        distinct_deks: 'counted.distinct_deks',
      }),
    },
    // From here on the ledger's row is the plan, for this try and for any later one.
    { planned: query(sql.readRun, ID, 'row') },
    {
      where: choose(
        {
          'row.state == "succeeded"': 'done',
          [`row.keying != "${d.keying}" or row.source_format != "${d.sourceFormat}"`]: 'changed',
          'row.state == "verified"': 'merge',
        },
        'keyset',
      ),
    },
    {
      changed: raise(
        'resume-changed',
        `"run " + run_id + " began with " + row.source_format + " and " + row.keying + " keying; the stack now has ${d.sourceFormat} and ${d.keying}"`,
      ),
    },
    { keyset: query(sql.keysetVersion, { version: 'row.keyset_version' }, 'keyset') },
  ];
}

const stage = (sql: Statements): Step[] => [
  { nothing: assign({ outcome: { id: '', kms_calls: '0', milli_dcu_seconds: '' }, batch_id: '' }) },
  { anything: choose({ 'row.selected == "0"': 'staging' }) },
  { batch_name: assign({ batch_id: expression('"reseal-" + run_id') }) },
  { staging: query(sql.markStaging, { ...ID, batch_id: 'batch_id' }) },
  { empty: choose({ 'row.selected == "0"': 'verify' }) },
  {
    batch: call(
      'batch',
      {
        run_id: expression('run_id'),
        mode: expression('row.mode'),
        row_limit: expression('row_limit'),
        plan: expression('row'),
      },
      'outcome',
    ),
  },
];

function verify(d: Deployment, sql: Statements): Step[] {
  const jar = d.batch.jarFile !== null;
  return [
    { verify: jar ? query(sql.adopt, ID) : assign({ staged: {} }) },
    { counts: query(sql.stagedCounts, ID, 'staged') },
    // A jar chooses its rows by itself, and only its owner knows their keys.
    ...(jar ? [] : prove(sql)),
    {
      verified: query(sql.markVerified, {
        ...ID,
        staged: 'staged.staged',
        rejected: 'staged.rejected',
        kms_calls: 'outcome.kms_calls',
        batch_id: 'outcome.id',
        milli_dcu_seconds: 'outcome.milli_dcu_seconds',
      }),
    },
  ];
}

const prove = (sql: Statements): Step[] => [
  { complete: choose({ 'int(staged.staged) + int(staged.rejected) == int(row.selected)': 'prove' }) },
  {
    incomplete: raise(
      'verify-count',
      'row.selected + " values were selected, but " + staged.staged + " are staged and " + staged.rejected + " refused"',
    ),
  },
  { prove: query(sql.proveStaged, { ...ID, keyset: 'keyset.wrapped' }, 'proof') },
  { proven: choose({ 'proof.wrong == "0"': 'verified' }) },
  {
    unproven: raise(
      'verify-open',
      'proof.wrong + " of " + proof.checked + " staged values open to something else"',
    ),
  },
];

const merge = (sql: Statements): Step[] => [
  { merge: query(sql.merge, ID) },
  { merged: query(sql.readRun, ID, 'row') },
  { ended: choose({ 'row.state == "succeeded"': 'done' }) },
  { not_merged: raise('merge-state', '"run " + run_id + " is " + row.state + ": nothing was merged"') },
  { done: { return: expression('row') } },
];

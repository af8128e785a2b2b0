import type { Deployment } from '../../jobs/deployment.ts';
import { NO_CUTOFF, statements } from '../../jobs/sql.ts';
import { assign, call, choose, expression, query, type Step, type Subworkflow } from './steps.ts';

/** As often, and as far apart, as the daily job always was tried again. */
const RETRIES = 3;
const RETRY_SECONDS = 30;

/**
 * One run, tried again after a failure: every id derives from the execution, and what a try has done the next
 * one finds. Arguments, all optional: run_id, mode, limit (rows; 0 for all).
 */
export function mainWorkflow(d: Deployment): Subworkflow {
  const sql = statements(d);
  return {
    params: ['args'],
    steps: [
      { init: assign({ none: {}, given: expression('default(args, none)') }) },
      {
        arguments: assign({
          run_id: expression(
            'default(map.get(given, "run_id"), sys.get_env("GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID"))',
          ),
          mode: expression('default(map.get(given, "mode"), "pending")'),
          row_limit: expression(`default(map.get(given, "limit"), ${d.readLimitRows ?? 0})`),
        }),
      },
      {
        attempts: {
          try: {
            steps: [
              {
                go: call(
                  'run',
                  {
                    run_id: expression('run_id'),
                    mode: expression('mode'),
                    row_limit: expression('row_limit'),
                  },
                  'ended',
                ),
              },
            ],
          },
          retry: {
            predicate: expression('again'),
            max_retries: RETRIES,
            backoff: { initial_delay: RETRY_SECONDS, max_delay: RETRY_SECONDS, multiplier: 1 },
          },
          except: {
            as: 'e',
            steps: [
              {
                what: assign({
                  code: expression('default(map.get(e, "code"), "workflow")'),
                  text: expression('default(map.get(e, "message"), "the workflow failed")'),
                  state: 'failed',
                }),
              },
              { who: choose({ 'code != "batch-cancelled"': 'record' }) },
              { stopped: assign({ state: 'cancelled' }) },
              {
                record: query(sql.endRun, {
                  run_id: 'run_id',
                  state: 'state',
                  error_code: 'string(code)',
                  error: 'text',
                }),
              },
              {
                tell: log('ERROR', {
                  event: '"run.failed"',
                  run_id: 'run_id',
                  state: 'state',
                  code: 'string(code)',
                }),
              },
              { up: { raise: expression('e') } },
            ],
          },
        },
      },
      {
        tell: log('INFO', {
          event: '"run.succeeded"',
          run_id: 'run_id',
          selected: 'int(ended.selected)',
          merged: 'int(ended.merged)',
          rejected: 'int(ended.rejected)',
          kms_calls: 'int(default(map.get(ended, "kms_calls"), "0"))',
        }),
      },
      { done: { return: expression('ended') } },
    ],
  };
}

/** A structured entry in Cloud Logging; infra/monitoring makes its metrics from these. */
const log = (severity: string, fields: Readonly<Record<string, string>>) =>
  call('sys.log', {
    severity,
    json: {
      reseal: Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, expression(text)])),
    },
  });

/** Whether a failed try is worth another. */
export const againSubworkflow: Subworkflow = {
  params: ['e'],
  steps: [{ answer: { return: expression('default(map.get(e, "final"), "no") == "no"') } }],
};

/** plan → stage → verify → merge, each step as the job has it, and from wherever the ledger says the run is. */
export function runSubworkflow(d: Deployment): Subworkflow {
  const sql = statements(d);
  const jar = d.batch.jarFile !== null;
  const selection = { mode: 'mode', snapshot_millis: 'clock.snapshot_millis', id_cutoff: 'id_cutoff' };
  const id = { run_id: 'run_id' };
  const raise = (code: string, message: string) => ({
    raise: { code, final: 'yes', message: expression(message) },
  });
  const plan: Step[] = [
    { clock: query(sql.clock, {}, 'clock') },
    { known: query(sql.readRun, id, 'row') },
    { begun: choose({ '"run_id" in row': 'where' }) },
    { keying: query(sql.lastKeying, {}, 'last') },
    { no_cutoff: assign({ id_cutoff: NO_CUTOFF }) },
    {
      same_keying: choose({
        [`default(map.get(last, "keying"), "${d.keying}") == "${d.keying}"`]: 'limited',
        'mode == "all" and row_limit == 0': 'limited',
      }),
    },
    {
      other_keying: raise(
        'keying-changed',
        `"the rows were sealed with " + last.keying + " keying; seal every row anew with mode all"`,
      ),
    },
    { limited: choose({ 'row_limit == 0': 'count' }) },
    { cutoff: query(sql.cutoff, { ...selection, row_limit: 'string(row_limit)' }, 'cut') },
    { highest: assign({ id_cutoff: expression('default(cut.id_cutoff, id_cutoff)') }) },
    { count: query(sql.count, selection, 'counted') },
    { ensure_keyset: query(sql.ensureKeyset, {}) },
    { newest_keyset: query(sql.newestKeyset, {}, 'newest') },
    {
      open: query(sql.openRun, {
        ...id,
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
    { planned: query(sql.readRun, id, 'row') },
    { where: choose({ 'row.state == "succeeded"': 'done', 'row.state == "verified"': 'merge' }) },
    { keyset: query(sql.keysetVersion, { version: 'row.keyset_version' }, 'keyset') },
  ];
  const stage: Step[] = [
    { nothing: assign({ outcome: { id: '', kms_calls: '0', milli_dcu_seconds: '' } }) },
    { batch_name: assign({ batch_id: expression('"reseal-" + run_id') }) },
    { anything: choose({ 'row.selected != "0"': 'staging' }) },
    { no_batch: assign({ batch_id: '' }) },
    { staging: query(sql.markStaging, { ...id, batch_id: 'batch_id' }) },
    { empty: choose({ 'row.selected == "0"': 'verify' }) },
    {
      batch: call(
        'batch',
        { ...expressions(['run_id', 'mode', 'row_limit']), run: expression('row') },
        'outcome',
      ),
    },
  ];
  const verify: Step[] = [
    { verify: jar ? query(sql.adopt, id) : assign({ staged: {} }) },
    // A jar chooses its rows by itself, and only its owner knows their keys.
    { counts: { ...query(sql.stagedCounts, id, 'staged'), ...(jar ? { next: 'verified' } : {}) } },
    { complete: choose({ 'int(staged.staged) + int(staged.rejected) == int(row.selected)': 'prove' }) },
    {
      incomplete: raise(
        'verify-count',
        'row.selected + " values were selected, but " + staged.staged + " are staged and " + staged.rejected + " refused"',
      ),
    },
    { prove: query(sql.proveStaged, { ...id, keyset: 'keyset.wrapped' }, 'proof') },
    { proven: choose({ 'proof.wrong == "0"': 'verified' }) },
    {
      unproven: raise(
        'verify-open',
        'proof.wrong + " of " + proof.checked + " staged values open to something else"',
      ),
    },
    {
      verified: query(sql.markVerified, {
        ...id,
        staged: 'staged.staged',
        rejected: 'staged.rejected',
        kms_calls: 'outcome.kms_calls',
        batch_id: 'outcome.id',
        milli_dcu_seconds: 'outcome.milli_dcu_seconds',
      }),
    },
  ];
  const merge: Step[] = [
    { merge: query(sql.merge, id) },
    { merged: query(sql.readRun, id, 'row') },
    { ended: choose({ 'row.state == "succeeded"': 'done' }) },
    { not_merged: raise('merge-state', '"run " + run_id + " is " + row.state + ": nothing was merged"') },
    { done: { return: expression('row') } },
  ];
  return { params: ['run_id', 'mode', 'row_limit'], steps: [...plan, ...stage, ...verify, ...merge] };
}

const expressions = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, expression(name)]));

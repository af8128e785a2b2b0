import { algorithmOf, mostSeals } from '../../jobs/contract/algorithms.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { laterWaveId } from '../../jobs/contract/ids.ts';
import { keptSettings, PATTERNS, patternsAreInFields } from '../../jobs/contract/kept-settings.ts';
import {
  allIds,
  kmsUri,
  rewraps,
  type Statements,
  statements,
  WHOLE,
} from '../../jobs/contract/sql/index.ts';
import { FEW_REJECTED } from '../../jobs/contract/verdict.ts';
import { counted } from './counting.ts';
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

/**
 * plan → stage → verify → merge, each step as the job has it, and from wherever the ledger says the run is. A run in
 * waves goes through the last three once a wave.
 */
export function runSubworkflow(d: Deployment): Subworkflow {
  const sql = statements(d);
  return {
    params: ['run_id', 'owner', 'mode', 'row_limit', 'wave_deks', 'accept_rejected', 'take_over'],
    steps: [...plan(d, sql), ...hold(d, sql), ...stage(d, sql), ...verify(d, sql), ...merge(sql)],
  };
}

const ID = { run_id: 'run_id' };
/** Only its owner writes the state of a run. */
const OWN = { ...ID, owner: 'owner' };
/** The batch that staged the rows; empty for a run without a value. */
const ATTEMPT = { ...ID, attempt: 'outcome.id' };

/** `WHOLE` as expressions. */
const ALL_WAVES = { wave: `"${WHOLE.wave}"`, waves: `"${WHOLE.waves}"` };

const COUNT_WAVES: Step[] = [
  { has_waves: choose({ 'wave_deks == 0': 'enter_into_ledger' }) },
  {
    count_waves: assign({
      waves: expression('math.max(1, (int(counted.distinct_deks) + wave_deks - 1) // wave_deks)'),
    }),
  },
];

/** The run's version of the first-level keyset. */
const KEYSET = { kms: `"${kmsUri('')}" + keyset.kms_key`, keyset: 'keyset.wrapped' };

const hasJar = (d: Deployment): boolean => d.batch.jarFile !== null;

function plan(d: Deployment, sql: Statements): Step[] {
  const selection = {
    mode: 'mode',
    snapshot_millis: 'snapshot_millis',
    id_from: 'id_from',
    id_cutoff: 'id_cutoff',
    keyset_version: 'newest.version',
    ...ALL_WAVES,
  };
  return [
    { read_ledger: query(sql.readRun, ID, 'row') },
    { seen_nobody: assign({ from_owner: '', settings: keptSettings(d) }) },
    { is_known_run: choose({ '"run_id" in row': 'may_go_on' }) },
    { fix_snapshot: query(sql.clock, {}, 'clock') },
    {
      look_at_source: call(
        'source_table',
        { snapshot: expression('clock.snapshot_millis') },
        'snapshot_millis',
      ),
    },
    { read_keyset: query(sql.newestKeyset, {}, 'newest') },
    { has_keyset: choose({ '"version" in newest': 'replace_read_view' }) },
    { create_keyset: query(sql.ensureKeyset, {}) },
    { read_created_keyset: query(sql.newestKeyset, {}, 'newest') },
    { replace_read_view: query(sql.replaceReadView, {}) },
    { take_all_ids: assign({ ...allIds(d) }) },
    { is_limited: choose({ 'row_limit == 0': 'count_values' }) },
    // A run with a limit begins behind the one before it, and where nothing is left there, at the lowest id.
    { find_first_id: query(sql.firstId, { mode: 'mode' }, 'next') },
    { raise_id_from: assign({ id_from: expression('default(map.get(next, "id_from"), id_from)') }) },
    { find_id_cutoff: query(sql.cutoff, { ...selection, row_limit: 'string(row_limit)' }, 'highest') },
    {
      has_more: choose({
        '"id_cutoff" in highest': 'lower_id_cutoff',
        [`id_from == "${allIds(d).id_from}"`]: 'lower_id_cutoff',
      }),
    },
    { begin_again: { ...assign({ id_from: allIds(d).id_from }), next: 'find_id_cutoff' } },
    // Nothing selected has no highest id.
    {
      lower_id_cutoff: assign({ id_cutoff: expression('default(map.get(highest, "id_cutoff"), id_cutoff)') }),
    },
    { count_values: counted(selection) },
    ...countRewrappable(d, sql, selection),
    { count_seals: query(sql.sealsUnder, { version: 'newest.version' }, 'sealed') },
    {
      check_seals: choose({
        [`int(sealed.seals) + int(counted.selected) + int(stale.rewrappable) <= ${mostSeals(algorithmOf(d.keying)).count}`]:
          'take_one_wave',
      }),
    },
    {
      fail_keyset_exhausted: raise(
        'keyset-exhausted',
        '"version " + newest.version + " of the first-level keyset would have sealed more values than one key may: rotate it"',
      ),
    },
    { take_one_wave: assign({ waves: 1 }) },
    ...(hasJar(d) ? [] : COUNT_WAVES),
    {
      enter_into_ledger: {
        ...query(sql.openRun, {
          ...OWN,
          via: '"workflow"',
          engine: '"dataproc"',
          mode: 'mode',
          source_format: `"${d.sourceFormat}"`,
          keying: `"${d.keying}"`,
          settings: 'settings',
          keyset_version: 'newest.version',
          snapshot: 'snapshot_millis',
          row_limit: 'string(row_limit)',
          id_from: 'id_from',
          id_cutoff: 'id_cutoff',
          selected: 'counted.selected',
          distinct_deks: 'counted.distinct_deks',
          waves: 'string(waves)',
          // Its plan reckons no minutes.
          statement_millis: '"0"',
        }),
        // Somebody else may have entered a run of this id in the same moment.
        next: 'read_ledger',
      },
    },
  ];
}

/** Row keysets that the merge seals anew count as seals, too. */
const countRewrappable = (d: Deployment, sql: Statements, selection: Parameters<typeof query>[1]): Step[] => [
  { expect_none_rewrappable: assign({ stale: { rewrappable: '0' } }) },
  ...(rewraps(d)
    ? [
        { is_stale_mode: choose({ 'mode != "stale"': 'count_seals' }) },
        { count_rewrappable: query(sql.countRewrappable, selection, 'stale') },
      ]
    : []),
];

/**
 * Makes this execution the run's owner, as the job does, and goes on from where the run stands. From here on the
 * ledger's row is the plan, for this try and for any later one. Of a run that it cannot go on with it changes nothing.
 */
function hold(d: Deployment, sql: Statements): Step[] {
  return [
    {
      may_go_on: choose(
        {
          'row.state == "succeeded"': 'return_result',
          'row.state == "abandoned"': 'fail_abandoned',
          'row.engine != "dataproc"': 'fail_other_engine',
          [`row.keying != "${d.keying}" or row.source_format != "${d.sourceFormat}" or default(map.get(row, "settings"), settings) != settings`]:
            'list_settings',
          'not(take_over)': 'take_lease',
        },
        'name_seen_owner',
      ),
    },
    ...settingsChanged(d),
    { fail_abandoned: raise('run-abandoned', '"run " + run_id + " was abandoned"') },
    // No batch is an attempt of another engine's run.
    {
      fail_other_engine: raise(
        'option-engine',
        '"run " + run_id + " goes on by engine " + row.engine + ", as it began, and the workflow always takes a batch"',
      ),
    },
    { name_seen_owner: assign({ from_owner: expression('default(map.get(row, "owner"), "")') }) },
    {
      take_lease: query(sql.takeLease, {
        ...OWN,
        from_owner: 'from_owner',
        seen_millis: 'default(map.get(row, "heartbeat"), "0")',
      }),
    },
    { read_plan: query(sql.readRun, ID, 'row') },
    // A run that goes on with its next wave comes back to here.
    {
      number_wave: assign({
        wave: expression('int(default(map.get(row, "waves_merged"), "0"))'),
        waves: expression('int(default(map.get(row, "waves"), "1"))'),
        wave_id: expression('run_id'),
        selected: expression('row.selected'),
      }),
    },
    { is_first_wave: choose({ 'wave == 0': 'resume_from_state' }) },
    { name_later_wave: assign({ wave_id: unmarked(laterWaveId(mark('run_id'), mark('string(wave + 1)'))) }) },
    {
      resume_from_state: choose(
        {
          'row.state == "succeeded"': 'return_result',
          'row.state == "abandoned"': 'fail_abandoned',
          'default(map.get(row, "owner"), "") != owner': 'read_lease',
          'row.state == "verified"': 'renew_before_merge',
        },
        'read_run_keyset',
      ),
    },
    { read_lease: query(sql.readLease, ID, 'lease') },
    {
      fail_live: raise(
        'run-live',
        '"run " + run_id + " is driven by " + default(map.get(lease, "owner"), "nobody") + ", heard of " + default(map.get(lease, "silent_millis"), "?") + " ms ago"',
      ),
    },
    { read_run_keyset: query(sql.keysetVersion, { version: 'row.keyset_version' }, 'keyset') },
    { has_run_keyset: choose({ '"kms_key" in keyset': 'is_only_wave' }) },
    {
      fail_keyset_missing: raise(
        'keyset-missing',
        '"the version of the keyset that run " + run_id + " began with is not there"',
      ),
    },
  ];
}

/** The setting of an entry. */
const nameOf = (d: Deployment): string =>
  patternsAreInFields(d)
    ? `text.replace_all(text.split(one, ":")[0], "${PATTERNS}", "fields")`
    : 'text.split(one, ":")[0]';

/** Ends an execution that found its run begun under other settings, and names those; the job does the same. */
const settingsChanged = (d: Deployment): Step[] => [
  {
    list_settings: assign({
      changed: '',
      began: expression('text.split(default(map.get(row, "settings"), settings), " ")'),
    }),
  },
  {
    compare_settings: {
      for: {
        value: 'one',
        in: expression('text.split(settings, " ")'),
        steps: [
          {
            is_same: choose({
              'one in began': 'continue',
              ...(patternsAreInFields(d) && {
                [`text.match_regex(one, "^${PATTERNS}:") and text.match_regex(changed, "reseal:fields$")`]:
                  'continue',
              }),
            }),
          },
          { has_changed_before: choose({ 'changed == ""': 'name_setting' }) },
          { add_comma: assign({ changed: expression('changed + ", "') }) },
          { name_setting: assign({ changed: expression(`changed + "reseal:" + ${nameOf(d)}`) }) },
        ],
      },
    },
  },
  { is_listed: choose({ 'changed != ""': 'fail_settings_changed' }) },
  // An older version kept no list, but these two.
  { name_older: assign({ changed: 'reseal:sourceFormat or reseal:keying' }) },
  {
    fail_settings_changed: raise(
      'resume-changed',
      '"run " + run_id + " began with another value of " + changed + " than the stack has now: set it back to go on with the run, or abandon it and start a new one"',
    ),
  },
];

const stage = (d: Deployment, sql: Statements): Step[] => [
  { is_only_wave: choose({ 'waves == 1': 'expect_nothing' }) },
  {
    count_wave: counted({
      mode: 'row.mode',
      snapshot_millis: 'row.snapshot',
      id_from: `default(map.get(row, "id_from"), "${allIds(d).id_from}")`,
      id_cutoff: 'row.id_cutoff',
      keyset_version: 'row.keyset_version',
      wave: 'string(wave)',
      waves: 'string(waves)',
    }),
  },
  { keep_count: assign({ selected: expression('counted.selected') }) },
  { expect_nothing: assign({ outcome: { id: '', kms_calls: '0', milli_dcu_seconds: '0' } }) },
  { has_values: choose({ 'selected != "0"': 'run_batch' }) },
  {
    mark_staging: {
      ...query(sql.markStaging, { ...ATTEMPT, owner: 'owner', batch_id: 'outcome.id' }),
      next: 'mark_staged',
    },
  },
  {
    run_batch: call(
      'batch',
      {
        run_id: expression('run_id'),
        wave_id: expression('wave_id'),
        wave: expression('wave'),
        waves: expression('waves'),
        owner: expression('owner'),
        mode: expression('row.mode'),
        plan: expression('row'),
        kms_key: expression('keyset.kms_key'),
      },
      'outcome',
    ),
  },
];

function verify(d: Deployment, sql: Statements): Step[] {
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

const merge = (sql: Statements): Step[] => [
  { renew_before_merge: query(sql.renewLease, OWN) },
  { merge_rows: query(sql.merge, OWN) },
  { read_result: query(sql.readRun, ID, 'row') },
  {
    is_merged: choose({
      'row.state == "succeeded"': 'return_result',
      'int(default(map.get(row, "waves_merged"), "0")) > wave': 'number_wave',
      'default(map.get(row, "owner"), owner) == owner': 'fail_not_merged',
    }),
  },
  { fail_taken_over: raise('run-taken-over', '"run " + run_id + " is driven by " + row.owner + " now"') },
  { fail_not_merged: raise('merge-state', '"run " + run_id + " is " + row.state + ": nothing was merged"') },
  { return_result: { return: expression('row') } },
];

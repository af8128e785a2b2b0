import type { Deployment } from '../../../jobs/contract/deployment.ts';
import { laterWaveId } from '../../../jobs/contract/ids.ts';
import type { Statements } from '../../../jobs/contract/sql/index.ts';
import { workflowEngines } from '../../../jobs/contract/workflow-engines.ts';
import { runRow } from '../run-row.ts';
import {
  assign,
  call,
  choose,
  expression,
  expressions,
  mark,
  query,
  raise,
  type Step,
  unmarked,
} from '../steps.ts';
import { settingsChanged } from './settings-changed.ts';
import { handsOver, ID, OWN } from './values.ts';

/**
 * Makes this execution the run's owner, as the job does, and goes on from where the run stands. From here on the
 * ledger's row is the plan, for this try and for any later one. Of a run that it cannot go on with it changes nothing.
 */
export function hold(d: Deployment, sql: Statements): Step[] {
  return [
    {
      may_go_on: choose(
        {
          'row.state == "succeeded"': 'return_result',
          'row.state == "abandoned"': 'fail_abandoned',
          [workflowEngines(d)
            .map((engine) => `row.engine != "${engine}"`)
            .join(' and ')]: 'fail_other_engine',
          [`row.keying != "${d.keying}" or row.source_format != "${d.sourceFormat}" or default(map.get(row, "settings"), settings) != settings`]:
            'list_settings',
          // An earlier try of this execution has handed it over.
          ...(handsOver(d) && {
            'text.match_regex(default(map.get(row, "owner"), ""), handed_to)': 'hand_over',
          }),
          'not(take_over)': 'take_lease',
        },
        'name_seen_owner',
      ),
    },
    ...settingsChanged(d),
    { fail_abandoned: raise('run-abandoned', '"run " + run_id + " was abandoned"') },
    // No attempt of one engine is an attempt of another.
    {
      fail_other_engine: raise(
        'option-engine',
        '"run " + run_id + " goes on by engine " + row.engine + ", as it began, which this workflow does not have"',
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
    { read_plan: runRow },
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
          // The same, where the job has taken the run over only just now.
          ...(handsOver(d) && {
            'text.match_regex(default(map.get(row, "owner"), ""), handed_to)': 'hand_over',
          }),
          'default(map.get(row, "owner"), "") != owner': 'read_lease',
          // Without a value there is nothing that only the job could do.
          ...(handsOver(d) && {
            'row.engine == "bigquery" and row.selected != "0"': 'hand_over',
          }),
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
    ...handOver(d),
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

/** The job that is deployed does the rest of a run inside BigQuery, all its waves. */
const handOver = (d: Deployment): Step[] =>
  handsOver(d)
    ? [
        {
          hand_over: {
            ...call(
              'deployed_job',
              {
                ...expressions(['run_id', 'owner', 'handed_to', 'accept_rejected']),
                driver: expression('default(map.get(row, "owner"), "")'),
              },
              'row',
            ),
            next: 'return_result',
          },
        },
      ]
    : [];

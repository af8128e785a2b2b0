import type { Deployment } from '../../jobs/contract/deployment.ts';
import { RUN_ID, SEPARATOR } from '../../jobs/contract/ids.ts';
import { workflowOwner } from '../../jobs/contract/lease-terms.ts';
import { KEYSET_GONE, MODES, STAGED_DIFFER, statements } from '../../jobs/contract/sql/index.ts';
import { DECIDED } from '../../jobs/contract/verdict.ts';
import { workflowEngines } from '../../jobs/contract/workflow-engines.ts';
import { RUN_COUNTS, RUN_EVENTS } from '../monitoring/entries.ts';
import {
  assign,
  call,
  choose,
  expression,
  expressions,
  mark,
  query,
  raise,
  reasonOf,
  type Step,
  type Subworkflow,
  unmarked,
} from './steps.ts';

/** As often, and as far apart, as the daily job always was tried again. */
const RETRIES = 3;
const RETRY_SECONDS = 30;

/**
 * Whether a run id is usable, in the terms of jobs/contract/ids.ts. The length is told apart from the pattern: an
 * expression of Workflows cannot hold the braces of a counted repetition. An execution's own id is a run id.
 */
const IS_RUN_ID = `len(run_id) >= ${RUN_ID.least} and len(run_id) <= ${RUN_ID.most} and text.match_regex(run_id, "^${RUN_ID.first}${RUN_ID.others}+$") and not(text.match_regex(run_id, "${SEPARATOR}"))`;

/**
 * One run, tried again after a failure: the batch's id derives from the run's, every statement may be
 * repeated, and each attempt finds in the ledger what the one before it has done. Arguments, all optional: run_id, mode,
 * engine (auto, or one that the stack's workflow has), limit (a number of rows; 0 for all), wave_deks (data keys a wave; 0 for
 * all at once), accept_rejected (true merges however many values are rejected), take_over (true goes on with the run in the
 * place of whoever still drives it).
 */
export function mainWorkflow(d: Deployment): Subworkflow {
  const choices = ['auto', ...workflowEngines(d)];
  return {
    params: ['args'],
    steps: [
      { read_argument: assign({ none: {}, declined: false, given: expression('default(args, none)') }) },
      {
        name_execution: assign({
          execution: expression('sys.get_env("GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID")'),
        }),
      },
      {
        fill_defaults: assign({
          owner: unmarked(workflowOwner(mark('execution'))),
          run_id: expression('default(map.get(given, "run_id"), execution)'),
          mode: expression('default(map.get(given, "mode"), "pending")'),
          engine: expression('default(map.get(given, "engine"), "auto")'),
          row_limit: expression(`default(map.get(given, "limit"), ${d.readLimitRows ?? 0})`),
          wave_deks: expression(`default(map.get(given, "wave_deks"), ${d.waveDeks ?? 0})`),
          accept_rejected: expression('default(map.get(given, "accept_rejected"), declined)'),
          take_over: expression('default(map.get(given, "take_over"), declined)'),
        }),
      },
      {
        check_mode: choose({ [MODES.map((mode) => `mode == "${mode}"`).join(' or ')]: 'check_engine' }),
      },
      { fail_unknown_mode: raise('argument-mode', `"mode must be ${MODES.join(', ')}, not " + mode`) },
      {
        check_engine: choose({
          [choices.map((engine) => `engine == "${engine}"`).join(' or ')]: 'check_run_id',
        }),
      },
      {
        fail_unknown_engine: raise(
          'argument-engine',
          `"engine must be ${choices.join(', ')}, not " + engine`,
        ),
      },
      { check_run_id: choose({ [IS_RUN_ID]: 'run_with_retries' }) },
      {
        fail_not_a_run_id: raise('run-id', `"${RUN_ID.words} make a run id, not " + run_id`),
      },
      {
        run_with_retries: {
          try: {
            steps: [
              {
                run: call(
                  'run',
                  expressions([
                    'run_id',
                    'owner',
                    'mode',
                    'engine',
                    'row_limit',
                    'wave_deks',
                    'accept_rejected',
                    'take_over',
                  ]),
                  'ended',
                ),
              },
            ],
          },
          retry: {
            predicate: expression('worth_retrying'),
            max_retries: RETRIES,
            backoff: { initial_delay: RETRY_SECONDS, max_delay: RETRY_SECONDS, multiplier: 1 },
          },
          except: { as: 'e', steps: brokenOff(d) },
        },
      },
      {
        log_success: log('INFO', {
          event: `"${RUN_EVENTS.succeeded}"`,
          run_id: 'run_id',
          ...Object.fromEntries(
            RUN_COUNTS.map((name) => [name, `int(default(map.get(ended, "${name}"), "0"))`]),
          ),
        }),
      },
      { return_result: { return: expression('ended') } },
    ],
  };
}

/**
 * With these codes an execution leaves a run as it is: somebody else drives it or has given it up, or it has to go on
 * under other settings or by another engine. Neither the ledger nor a metric nor an alert is to take that for a failure
 * of the run.
 */
const LEFT_AS_IT_IS = ['run-live', 'run-taken-over', 'run-abandoned', 'resume-changed', 'option-engine'];

/** A regular expression for one of these codes and nothing else. */
const oneOf = (codes: readonly string[]): string => `^(${codes.join('|')})$`;

/** Records how the run ended; failing to must not hide why it did. */
function brokenOff(d: Deployment): Step[] {
  const { endRun } = statements(d);
  const ending = {
    run_id: 'run_id',
    owner: 'owner',
    state: 'state',
    error_code: 'error_code',
    error: 'reason',
  };
  return [
    // Its own errors have a code of Reseal's; HTTP's and the runtime's do not.
    {
      keep_code: assign({
        state: 'failed',
        error_code: expression('default(map.get(e, "error_code"), "workflow")'),
      }),
    },
    ...reasonOf('e', 'keep_reason'),
    {
      has_left_run: choose({
        [`text.match_regex(error_code, "${oneOf(LEFT_AS_IT_IS)}")`]: 'name_account',
      }),
    },
    // The failures of a statement that have a code of their own: the merge's ASSERTs.
    {
      is_merge_count: choose({ [`not(text.match_regex(reason, "${STAGED_DIFFER}"))`]: 'is_keyset_missing' }),
    },
    { keep_merge_count: assign({ error_code: 'merge-count' }) },
    { is_keyset_missing: choose({ [`not(text.match_regex(reason, "${KEYSET_GONE}"))`]: 'is_cancelled' }) },
    { keep_keyset_missing: assign({ error_code: 'keyset-missing' }) },
    {
      is_cancelled: choose({
        [`not(text.match_regex(error_code, "${oneOf(DECIDED)}"))`]: 'record_in_ledger',
      }),
    },
    { keep_cancelled: assign({ state: 'cancelled' }) },
    {
      record_in_ledger: {
        try: { steps: [{ end_run: query(endRun, ending) }] },
        except: { as: 'unrecorded', steps: [{ ignore_unrecorded: assign({ state: expression('state') }) }] },
      },
    },
    {
      log_failure: log('ERROR', {
        event: `"${RUN_EVENTS.failed}"`,
        run_id: 'run_id',
        state: 'state',
        code: 'error_code',
      }),
    },
    // By whose account: where a role is missing, that one lacks it.
    { name_account: assign({ account: expression('default(map.get(e, "account"), "workflow")') }) },
    {
      fail_run: {
        raise: {
          error_code: expression('error_code'),
          message: expression('reason'),
          account: expression('account'),
        },
      },
    },
  ];
}

/** A structured entry in Cloud Logging; infra/monitoring makes its metrics from these. */
const log = (severity: string, fields: Readonly<Record<string, string>>) =>
  call('sys.log', {
    severity,
    json: {
      reseal: Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, expression(text)])),
    },
  });

/** Whether to try again after an error. */
export const worthRetryingSubworkflow: Subworkflow = {
  params: ['e'],
  steps: [{ return_answer: { return: expression('default(map.get(e, "final"), "no") == "no"') } }],
};

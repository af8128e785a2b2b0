import type { Deployment } from '../../jobs/contract/deployment.ts';
import { MODES, statements } from '../../jobs/contract/sql/index.ts';
import {
  assign,
  call,
  choose,
  expression,
  expressions,
  query,
  raise,
  reasonOf,
  type Step,
  type Subworkflow,
} from './steps.ts';

/** As often, and as far apart, as the daily job always was tried again. */
const RETRIES = 3;
const RETRY_SECONDS = 30;

/** The run ids of jobs/ids.ts, without the braces of a counted repetition; an execution's id is one. */
const RUN_ID = 'len(run_id) >= 4 and len(run_id) <= 36 and text.match_regex(run_id, "^[a-z0-9][a-z0-9-]+$")';

/**
 * One run, tried again after a failure: the batch's id derives from the run's, every statement may be
 * repeated, and what a try has done the next one finds in the ledger. Arguments, all optional: run_id, mode,
 * limit (a number of rows; 0 for all).
 */
export function mainWorkflow(d: Deployment): Subworkflow {
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
        known_mode: choose({ [MODES.map((mode) => `mode == "${mode}"`).join(' or ')]: 'usable_id' }),
      },
      { no_mode: raise('argument-mode', `"mode must be ${MODES.join(', ')}, not " + mode`) },
      { usable_id: choose({ [RUN_ID]: 'attempts' }) },
      {
        no_id: raise(
          'run-id',
          '"4 to 36 lower-case letters, digits and dashes make a run id, not " + run_id',
        ),
      },
      {
        attempts: {
          try: { steps: [{ go: call('run', expressions(['run_id', 'mode', 'row_limit']), 'ended') }] },
          retry: {
            predicate: expression('again'),
            max_retries: RETRIES,
            backoff: { initial_delay: RETRY_SECONDS, max_delay: RETRY_SECONDS, multiplier: 1 },
          },
          except: { as: 'e', steps: brokenOff(d) },
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

/** Records how the run ended; failing to must not hide why it did. */
function brokenOff(d: Deployment): Step[] {
  const { endRun } = statements(d);
  const ending = { run_id: 'run_id', state: 'state', error_code: 'error_code', error: 'reason' };
  return [
    // Its own errors have a code of Reseal's; HTTP's and the runtime's do not.
    {
      failed: assign({
        state: 'failed',
        error_code: expression('default(map.get(e, "error_code"), "workflow")'),
      }),
    },
    ...reasonOf('e', 'why'),
    { who: choose({ 'error_code != "batch-cancelled"': 'record' }) },
    { stopped: assign({ state: 'cancelled' }) },
    {
      record: {
        try: { steps: [{ end: query(endRun, ending) }] },
        except: { as: 'unrecorded', steps: [{ go_on: assign({ state: expression('state') }) }] },
      },
    },
    {
      tell_why: log('ERROR', { event: '"run.failed"', run_id: 'run_id', state: 'state', code: 'error_code' }),
    },
    { up: { raise: { error_code: expression('error_code'), message: expression('reason') } } },
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

/** Whether a failed try is worth another. */
export const againSubworkflow: Subworkflow = {
  params: ['e'],
  steps: [{ answer: { return: expression('default(map.get(e, "final"), "no") == "no"') } }],
};

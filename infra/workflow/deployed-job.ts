import { handOverArguments, ownersOf } from '../../jobs/contract/cloud-run.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { statements } from '../../jobs/contract/sql/index.ts';
import { PASSING } from '../../jobs/contract/verdict.ts';
import { runRow } from './run-row.ts';
import {
  assign,
  call,
  choose,
  expression,
  mark,
  query,
  raise,
  reasonOf,
  request,
  type Step,
  type Subworkflow,
  unmarked,
} from './steps.ts';

const API = 'https://run.googleapis.com/v2';
/** Seconds between looks at the execution: it starts in seconds, and works for a minute or for hours. */
const WAIT = { first: 5, growth: 2, most: 60 };

/**
 * Hands the run over to the job that is deployed to Cloud Run, waits for the end of its execution, and returns the run's
 * row. The job takes the lease from this execution of the workflow and renews it itself, so that of two executions of the
 * job only one comes through; one that an earlier try of this workflow has started is followed. The answers of Cloud Run
 * name executions and states and nothing else.
 * https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/run
 */
export function deployedJobSubworkflow(d: Deployment): Subworkflow {
  const sql = statements(d);
  const args = unmarked(
    handOverArguments({ run: mark('run_id'), from: mark('owner'), acceptRejected: mark('allowed') }),
  );
  return {
    params: ['run_id', 'owner', 'handed_to', 'accept_rejected', 'driver'],
    steps: [
      { expect_no_more: assign({ allowed: 'no' }) },
      { is_at_work: choose({ 'text.match_regex(driver, handed_to)': 'follow_driver' }) },
      { may_reject: choose({ 'not(accept_rejected)': 'start_job' }) },
      { allow_rejected: assign({ allowed: 'yes' }) },
      {
        start_job: {
          try: {
            steps: [
              {
                post_run: {
                  try: call(
                    'http.post',
                    {
                      url: `${API}/${d.cloudRunJob}:run`,
                      body: { overrides: { containerOverrides: [{ args }] } },
                      auth: { type: 'OAuth2' },
                    },
                    'operation',
                  ),
                  // Whatever fails may have started one all the same: the lease lets one of them through.
                  retry: expression('http.default_retry_non_idempotent'),
                },
              },
            ],
          },
          except: {
            as: 'e',
            steps: [
              { read_code: assign({ code: expression('default(map.get(e, "code"), 0)'), final: 'no' }) },
              ...reasonOf('e', 'start_failed'),
              {
                may_pass: choose({
                  'code < 400 or code >= 500 or code == 408 or code == 409 or code == 429': 'fail_start',
                }),
              },
              // The same would happen again.
              { expect_no_better: assign({ final: 'yes' }) },
              {
                fail_start: {
                  raise: {
                    error_code: 'job-failed',
                    final: expression('final'),
                    message: expression('"Cloud Run: " + reason'),
                  },
                },
              },
            ],
          },
        },
      },
      {
        name_execution: {
          ...assign({ execution: expression('operation.body.metadata.name') }),
          next: 'begin_polling',
        },
      },
      {
        follow_driver: assign({
          execution: expression(`"${d.cloudRunJob}/executions/" + text.split(driver, ":")[1]`),
        }),
      },
      {
        begin_polling: assign({
          wait: WAIT.first,
          why: 'no reason given',
          its_owners: unmarked(ownersOf(mark('text.split(execution, "/")[7]'))),
        }),
      },
      { poll_execution: request('get', { url: expression(`"${API}/" + execution`) }, 'seen') },
      { is_over: choose({ '"completionTime" in seen.body': 'read_run' }) },
      { wait_for_job: call('sys.sleep', { seconds: expression('wait') }) },
      {
        wait_longer: {
          ...assign({ wait: expression(`math.min(wait * ${WAIT.growth}, ${WAIT.most})`) }),
          next: 'poll_execution',
        },
      },
      { read_run: runRow },
      { read_holder: assign({ driver: expression('default(map.get(row, "owner"), "")') }) },
      ...JUDGE,
      // It ended without a word: out of memory, cancelled, or never begun.
      {
        take_back: query(sql.takeLease, {
          run_id: 'run_id',
          owner: 'owner',
          from_owner: 'driver',
          seen_millis: 'default(map.get(row, "heartbeat"), "0")',
        }),
      },
      // Its merge may have gone on without it.
      { read_again: runRow },
      {
        why_ended: choose({
          'row.state == "succeeded"': 'return_run',
          'default(map.get(seen.body, "cancelledCount"), 0) > 0': 'fail_cancelled',
        }),
      },
      {
        read_why: {
          for: {
            value: 'condition',
            in: expression('seen.body.conditions'),
            steps: [
              { is_its_end: choose({ 'condition.type != "Completed"': 'continue' }) },
              { keep_why: assign({ why: expression('default(map.get(condition, "message"), why)') }) },
            ],
          },
        },
      },
      {
        fail_ended: {
          raise: {
            error_code: 'job-failed',
            final: 'no',
            account: 'job',
            message: expression('"Cloud Run: " + execution + " ended before the run did: " + why'),
          },
        },
      },
      // Somebody's decision: not tried again.
      { fail_cancelled: raise('cancelled', '"Cloud Run: " + execution + " was cancelled"') },
      { return_run: { return: expression('row') } },
    ],
  };
}

/** What the ledger says of a run whose job has ended. */
const JUDGE: readonly Step[] = [
  {
    how_ended: choose({
      'row.state == "succeeded"': 'return_run',
      'row.state == "abandoned"': 'fail_abandoned',
      'driver == owner or text.match_regex(driver, its_owners)': 'take_back',
      // Cloud Run has started another, whose start nobody has heard of.
      'text.match_regex(driver, handed_to)': 'follow_driver',
      'driver != ""': 'fail_taken_over',
    }),
  },
  {
    keep_code: assign({
      code: expression('default(map.get(row, "error_code"), "job-failed")'),
      final: 'yes',
    }),
  },
  {
    is_for_good: choose({ [`not(text.match_regex(code, "^(${PASSING.join('|')})$"))`]: 'fail_as_job_said' }),
  },
  { may_pass_by: assign({ final: 'no' }) },
  {
    fail_as_job_said: {
      raise: {
        error_code: expression('code'),
        final: expression('final'),
        account: 'job',
        message: expression('default(map.get(row, "error"), execution + " let go of it")'),
      },
    },
  },
  { fail_abandoned: raise('run-abandoned', '"run " + run_id + " was abandoned"') },
  { fail_taken_over: raise('run-taken-over', '"run " + run_id + " is driven by " + driver + " now"') },
];

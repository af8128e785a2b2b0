import { batchBody, stackArguments } from '../../jobs/contract/batch.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { batchId, MAX_ATTEMPTS } from '../../jobs/contract/ids.ts';
import { allIds, statements } from '../../jobs/contract/sql/index.ts';
import { CANCELLING_MINUTES, OVERTIME_MINUTES, PENDING_MINUTES } from '../../jobs/contract/wait-terms.ts';
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
  type Subworkflow,
  unmarked,
} from './steps.ts';

/** Seconds between looks at the batch: it takes a minute to start and may work for hours. */
const WAIT = { first: 5, growth: 2, most: 60 };

/**
 * Finds the wave's batch or creates it, follows it to its end and returns what the ledger needs. A batch that an
 * earlier attempt left running is followed; one that failed, or is another stack's, gets a successor under the next id,
 * and so does one that is found while it is being cancelled, once it has ended. Each look at the batch renews the lease
 * of the run.
 * There is no Dataproc connector, so these are plain requests: batches.create answers with an operation whose
 * metadata names the batch.
 * https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.locations.batches
 */
export function batchSubworkflow(d: Deployment): Subworkflow {
  const sql = statements(d);
  const parent = `projects/${d.project}/locations/${d.location}`;
  const api = `https://${d.location}-dataproc.googleapis.com/v1`;
  const body = unmarked(
    batchBody(d, {
      runId: mark('run_id'),
      attempt: mark('id'),
      mode: mark('mode'),
      snapshotMillis: mark('plan.snapshot'),
      idFrom: mark('id_from'),
      idCutoff: mark('plan.id_cutoff'),
      wave: mark('string(wave)'),
      waves: mark('string(waves)'),
      keysetVersion: mark('plan.keyset_version'),
      kmsKey: mark('kms_key'),
      limit: mark('row_limit'),
    }),
  );
  const failure = {
    raise: { error_code: 'batch', final: 'no', message: expression('"Dataproc: " + reason') },
  };
  const code = 'default(map.get(e, "code"), 0)';
  const work = d.batch.jarFile === null ? 'pysparkBatch' : 'sparkBatch';
  const isOfStack = stackArguments(d)
    .map((own) => `"${own}" in given`)
    .join(' and ');
  const pendingSeconds = PENDING_MINUTES * 60;
  const runningSeconds = (PENDING_MINUTES + d.batch.ttlMinutes + OVERTIME_MINUTES) * 60;
  return {
    params: ['run_id', 'wave_id', 'wave', 'waves', 'owner', 'mode', 'plan', 'kms_key'],
    steps: [
      {
        read_limits: assign({
          none: {},
          row_limit: expression('default(map.get(plan, "row_limit"), "0")'),
          id_from: expression(`default(map.get(plan, "id_from"), "${allIds(d).id_from}")`),
          not_whole: expression('default(map.get(plan, "not_whole"), "")'),
        }),
      },
      { begin_with_first_attempt: assign({ attempt: 1, id: unmarked(batchId(mark('wave_id'), 1)) }) },
      { name_batch: assign({ name: expression(`"${parent}/batches/" + id`), state: 'NONE' }) },
      // What was staged by it is not whole: another stages all of it.
      { is_spent: choose({ 'text.match_regex(not_whole, " " + id + " ")': 'next_attempt' }) },
      {
        find_batch: {
          try: {
            steps: [
              { get_batch: request('get', { url: expression(`"${api}/" + name`) }, 'found') },
              { keep_state: assign({ state: expression('found.body.state') }) },
              // Of another stack it may be another kind of batch.
              {
                keep_arguments: assign({
                  given: expression(
                    `default(map.get(default(map.get(found.body, "${work}"), none), "args"), none)`,
                  ),
                }),
              },
            ],
          },
          except: {
            as: 'e',
            steps: [
              { is_missing: choose({ [`${code} == 404`]: 'has_none' }) },
              ...reasonOf('e', 'get_failed'),
              { fail_get: failure },
              { has_none: assign({ state: 'NONE', given: stackArguments(d) }) },
            ],
          },
        },
      },
      {
        is_of_use: choose({
          [`state != "FAILED" and state != "CANCELLED" and ${isOfStack}`]: 'mark_staging',
        }),
      },
      { next_attempt: assign({ attempt: expression('attempt + 1') }) },
      { may_try_again: choose({ [`attempt <= ${MAX_ATTEMPTS}`]: 'name_next_batch' }) },
      {
        fail_attempts_spent: raise(
          'batch-failed',
          `"${MAX_ATTEMPTS} batches of run " + run_id + " failed: mend what they failed of, abandon the run and start a new one"`,
        ),
      },
      {
        name_next_batch: {
          ...assign({ id: unmarked(batchId(mark('wave_id'), mark('string(attempt)'))) }),
          next: 'name_batch',
        },
      },
      {
        mark_staging: query(sql.markStaging, {
          run_id: 'run_id',
          owner: 'owner',
          attempt: 'id',
          batch_id: 'id',
        }),
      },
      { create_or_follow: choose({ 'state != "NONE"': 'begin_polling' }) },
      {
        create_batch: {
          try: {
            steps: [
              {
                post_batch: request(
                  'post',
                  {
                    url: `${api}/${parent}/batches`,
                    query: { batchId: expression('id') },
                    body,
                  },
                  'operation',
                ),
              },
              { keep_name: assign({ name: expression('operation.body.metadata.batch') }) },
            ],
          },
          except: {
            as: 'e',
            steps: [
              { is_created_already: choose({ [`${code} == 409`]: 'follow_existing' }) },
              ...reasonOf('e', 'create_failed'),
              { fail_create: failure },
              { follow_existing: assign({ state: 'MET' }) },
            ],
          },
        },
      },
      // Whose it is, a look at it says.
      { has_met: choose({ 'state == "MET"': 'name_batch' }) },
      { begin_polling: assign({ wait: WAIT.first, since: expression('sys.now()') }) },
      { poll_batch: request('get', { url: expression(`"${api}/" + name`) }, 'seen') },
      {
        is_over: choose({
          'seen.body.state == "SUCCEEDED"': 'read_outcome',
          'state == "CANCELLING" and seen.body.state != "CANCELLING"': 'next_attempt',
          'seen.body.state == "FAILED"': 'read_outcome',
          'seen.body.state == "CANCELLED"': 'fail_batch_cancelled',
        }),
      },
      {
        is_overdue: choose({
          [`seen.body.state == "PENDING" and sys.now() - since > ${pendingSeconds}`]: 'cancel_overdue',
          [`state == "CANCELLING" and sys.now() - since > ${CANCELLING_MINUTES * 60}`]: 'fail_cancel_pending',
          [`sys.now() - since > ${runningSeconds}`]: 'cancel_overdue',
        }),
      },
      { renew_lease: query(sql.renewLease, { run_id: 'run_id', owner: 'owner' }) },
      { read_lease: query(sql.readLease, { run_id: 'run_id' }, 'lease') },
      { holds_lease: choose({ 'default(map.get(lease, "owner"), "") == owner': 'wait_for_batch' }) },
      // Whoever drives the run now follows the same batch.
      {
        fail_taken_over: raise(
          'run-taken-over',
          '"run " + run_id + " is driven by " + default(map.get(lease, "owner"), "nobody") + " now"',
        ),
      },
      { wait_for_batch: call('sys.sleep', { seconds: expression('wait') }) },
      {
        wait_longer: {
          ...assign({ wait: expression(`math.min(wait * ${WAIT.growth}, ${WAIT.most})`) }),
          next: 'poll_batch',
        },
      },
      {
        cancel_overdue: {
          try: {
            steps: [
              {
                post_cancel: request(
                  'post',
                  { url: expression(`"${api}/" + seen.body.operation + ":cancel"`) },
                  'cancelled',
                ),
              },
            ],
          },
          except: { as: 'e', steps: [{ cannot_cancel: assign({ cancelled: 'no' }) }] },
        },
      },
      // The next one would have to wait as long.
      {
        fail_batch_stuck: raise(
          'batch-stuck',
          'name + " was " + seen.body.state + " for longer than any batch of this stack should be"',
        ),
      },
      { fail_cancel_pending: raise('cancel-pending', 'name + " was cancelled and has not ended"') },
      // Somebody's decision: not tried again.
      {
        fail_batch_cancelled: {
          raise: {
            error_code: 'batch-cancelled',
            final: 'yes',
            message: expression('name + " was cancelled"'),
          },
        },
      },
      {
        read_outcome: assign({ info: expression('default(map.get(seen.body, "runtimeInfo"), none)') }),
      },
      {
        read_driver_output: call(
          'driver_output',
          { output: expression('default(map.get(info, "outputUri"), "")') },
          'said',
        ),
      },
      {
        has_succeeded: choose({
          'seen.body.state == "SUCCEEDED"': 'read_usage',
          'said.code != ""': 'fail_as_application_said',
        }),
      },
      {
        fail_batch: {
          raise: {
            error_code: 'batch-failed',
            final: 'no',
            message: expression(
              'name + " failed: " + default(map.get(seen.body, "stateMessage"), "no reason given")',
            ),
          },
        },
      },
      {
        fail_as_application_said: {
          raise: { error_code: expression('said.code'), final: 'no', message: expression('said.message') },
        },
      },
      { read_usage: assign({ usage: expression('default(map.get(info, "approximateUsage"), none)') }) },
      {
        return_outcome: {
          return: {
            id: expression('id'),
            kms_calls: expression('said.kms_calls'),
            milli_dcu_seconds: expression('default(map.get(usage, "milliDcuSeconds"), "")'),
          },
        },
      },
    ],
  };
}

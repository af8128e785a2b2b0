import { batchBody } from '../../jobs/contract/batch.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import {
  assign,
  call,
  choose,
  expression,
  mark,
  reasonOf,
  request,
  type Subworkflow,
  unmarked,
} from './steps.ts';

/** Seconds between looks at the batch: it takes a minute to start and may work for hours. */
const WAIT = { first: 5, growth: 2, most: 60 };

/**
 * Finds the run's batch or makes it, follows it to its end and returns what the ledger needs. A batch that an
 * earlier try left running is followed; one that failed gets a successor under the next id.
 * There is no Dataproc connector, so these are plain requests: batches.create answers with an operation whose
 * metadata names the batch.
 * https://cloud.google.com/dataproc-serverless/docs/reference/rest/v1/projects.locations.batches
 */
export function batchSubworkflow(d: Deployment): Subworkflow {
  const parent = `projects/${d.project}/locations/${d.location}`;
  const api = `https://${d.location}-dataproc.googleapis.com/v1`;
  const body = unmarked(
    batchBody(d, {
      runId: mark('run_id'),
      mode: mark('mode'),
      snapshotMillis: mark('plan.snapshot_millis'),
      idCutoff: mark('plan.id_cutoff'),
      keysetVersion: mark('plan.keyset_version'),
      limit: mark('string(row_limit)'),
    }),
  );
  const refuse = {
    raise: { error_code: 'batch', final: 'no', message: expression('"Dataproc: " + reason') },
  };
  const code = 'default(map.get(e, "code"), 0)';
  return {
    params: ['run_id', 'mode', 'row_limit', 'plan'],
    steps: [
      { init: assign({ attempt: 1, id: expression('"reseal-" + run_id') }) },
      { name_it: assign({ name: expression(`"${parent}/batches/" + id`), state: 'NONE' }) },
      {
        look: {
          try: {
            steps: [
              { get: request('get', { url: expression(`"${api}/" + name`) }, 'found') },
              { known: assign({ state: expression('found.body.state') }) },
            ],
          },
          except: {
            as: 'e',
            steps: [
              { missing: choose({ [`${code} == 404`]: 'make' }) },
              ...reasonOf('e', 'get_refused'),
              { not_seen: refuse },
              { make: assign({ state: 'NONE' }) },
            ],
          },
        },
      },
      {
        decide: choose(
          { 'state == "NONE"': 'create', 'state == "FAILED" or state == "CANCELLED"': 'successor' },
          'begin',
        ),
      },
      { successor: assign({ attempt: expression('attempt + 1') }) },
      {
        next_id: {
          ...assign({ id: expression('"reseal-" + run_id + "-" + string(attempt)') }),
          next: 'name_it',
        },
      },
      {
        create: {
          try: {
            steps: [
              {
                post: request(
                  'post',
                  {
                    url: `${api}/${parent}/batches`,
                    query: {
                      batchId: expression('id'),
                      requestId: expression('run_id + "-" + string(attempt)'),
                    },
                    body,
                  },
                  'operation',
                ),
              },
              { created: assign({ name: expression('operation.body.metadata.batch') }) },
            ],
          },
          except: {
            as: 'e',
            steps: [
              { repeated: choose({ [`${code} == 409`]: 'there' }) },
              ...reasonOf('e', 'create_refused'),
              { not_created: refuse },
              { there: assign({ state: 'PENDING' }) },
            ],
          },
        },
      },
      { begin: assign({ wait: WAIT.first }) },
      { poll: request('get', { url: expression(`"${api}/" + name`) }, 'seen') },
      {
        over: choose({
          'seen.body.state == "SUCCEEDED"': 'ended',
          'seen.body.state == "FAILED"': 'ended',
          'seen.body.state == "CANCELLED"': 'cancelled',
        }),
      },
      { rest: call('sys.sleep', { seconds: expression('wait') }) },
      {
        slower: {
          ...assign({ wait: expression(`math.min(wait * ${WAIT.growth}, ${WAIT.most})`) }),
          next: 'poll',
        },
      },
      // Somebody's decision: not tried again.
      {
        cancelled: {
          raise: {
            error_code: 'batch-cancelled',
            final: 'yes',
            message: expression('name + " was cancelled"'),
          },
        },
      },
      {
        ended: assign({ none: {}, info: expression('default(map.get(seen.body, "runtimeInfo"), none)') }),
      },
      {
        listen: call(
          'driver_words',
          { output: expression('default(map.get(info, "outputUri"), "")') },
          'words',
        ),
      },
      { outcome: choose({ 'seen.body.state == "SUCCEEDED"': 'used', 'words.code != ""': 'reported' }) },
      {
        failed: {
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
        reported: {
          raise: { error_code: expression('words.code'), final: 'no', message: expression('words.message') },
        },
      },
      { used: assign({ usage: expression('default(map.get(info, "approximateUsage"), none)') }) },
      {
        done: {
          return: {
            id: expression('id'),
            kms_calls: expression('words.kms_calls'),
            milli_dcu_seconds: expression('default(map.get(usage, "milliDcuSeconds"), "")'),
          },
        },
      },
    ],
  };
}

import { batchBody } from '../../jobs/batch.ts';
import type { Deployment } from '../../jobs/deployment.ts';
import { assign, call, choose, expression, mark, request, type Subworkflow, unmarked } from './steps.ts';

/** Seconds between looks at the batch: it takes a minute to start and may work for hours. */
const WAIT = { first: 5, growth: 1.5, most: 60 };

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
      snapshotMillis: mark('run.snapshot_millis'),
      idCutoff: mark('run.id_cutoff'),
      keysetVersion: mark('run.keyset_version'),
      limit: mark('string(row_limit)'),
    }),
  );
  return {
    params: ['run_id', 'mode', 'row_limit', 'run'],
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
              { missing: choose({ 'default(map.get(e, "code"), 0) == 404': 'make' }) },
              { other: { raise: expression('e') } },
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
        create: request(
          'post',
          {
            url: `${api}/${parent}/batches`,
            query: { batchId: expression('id'), requestId: expression('run_id + "-" + string(attempt)') },
            body,
          },
          'operation',
        ),
      },
      { created: assign({ name: expression('operation.body.metadata.batch') }) },
      { begin: assign({ wait: WAIT.first }) },
      { poll: request('get', { url: expression(`"${api}/" + name`) }, 'seen') },
      {
        state: choose({
          'seen.body.state == "SUCCEEDED"': 'succeeded',
          'seen.body.state == "FAILED" or seen.body.state == "CANCELLED"': 'failed',
        }),
      },
      { rest: call('sys.sleep', { seconds: expression('wait') }) },
      { slower: assign({ wait: expression(`wait * ${WAIT.growth}`) }) },
      { patient: choose({ [`wait < ${WAIT.most}`]: 'poll' }) },
      { most: { ...assign({ wait: WAIT.most }), next: 'poll' } },
      { failed: call('batch_failed', { batch: expression('seen.body') }) },
      {
        succeeded: assign({
          none: {},
          info: expression('default(map.get(seen.body, "runtimeInfo"), none)'),
        }),
      },
      { used: assign({ usage: expression('default(map.get(info, "approximateUsage"), none)') }) },
      {
        counted: call(
          'driver_counts',
          { output: expression('default(map.get(info, "outputUri"), "")') },
          'kms_calls',
        ),
      },
      {
        done: {
          return: {
            id: expression('id'),
            kms_calls: expression('kms_calls'),
            milli_dcu_seconds: expression('string(default(map.get(usage, "milliDcuSeconds"), ""))'),
          },
        },
      },
    ],
  };
}

/** Raises the batch's own message. A cancelled batch is somebody's decision and is not tried again. */
export const batchFailedSubworkflow: Subworkflow = {
  params: ['batch'],
  steps: [
    { text: assign({ text: expression('default(map.get(batch, "stateMessage"), "no reason given")') }) },
    { which: choose({ 'batch.state == "CANCELLED"': 'cancelled' }) },
    {
      failed: {
        raise: {
          code: 'batch-failed',
          final: 'no',
          message: expression('batch.name + " failed: " + text'),
        },
      },
    },
    {
      cancelled: {
        raise: {
          code: 'batch-cancelled',
          final: 'yes',
          message: expression('batch.name + " was cancelled"'),
        },
      },
    },
  ],
};

/** A line of counts has some hundred characters and is the driver's last but a few. */
const TAIL_BYTES = 8192;

/**
 * KMS calls from the application's last line in the driver's output (docs/spark.md), or an empty text where
 * there is none, as with a jar of the user's own.
 */
export const driverCountsSubworkflow: Subworkflow = {
  params: ['output'],
  steps: [
    { nothing: assign({ kms_calls: '' }) },
    { any: choose({ 'output == ""': 'done' }) },
    { parts: assign({ bucket: expression('text.split(output, "/")[2]') }) },
    {
      place: assign({
        prefix: expression('text.substring(output, len(bucket) + 6, len(output))'),
        objects: expression('"https://storage.googleapis.com/storage/v1/b/" + bucket + "/o"'),
      }),
    },
    {
      list: request('get', { url: expression('objects'), query: { prefix: expression('prefix') } }, 'listed'),
    },
    { items: assign({ none: [], items: expression('default(map.get(listed.body, "items"), none)') }) },
    { some: choose({ 'len(items) == 0': 'done' }) },
    { last: assign({ last: expression('items[len(items) - 1].name') }) },
    {
      tail: request(
        'get',
        {
          url: expression('objects + "/" + text.url_encode(last)'),
          query: { alt: 'media' },
          headers: { Range: `bytes=-${TAIL_BYTES}` },
        },
        'tail_of',
      ),
    },
    { content: assign({ content: expression('tail_of.body') }) },
    { kind: choose({ 'get_type(content) != "bytes"': 'lines' }) },
    { decode: assign({ content: expression('text.decode(content)') }) },
    {
      lines: {
        for: {
          value: 'line',
          in: expression('text.split(content, "\\n")'),
          steps: [
            {
              own: choose(
                { 'text.match_regex(line, "^.*\\"reseal\\": ?\\"counts\\".*$")': 'take' },
                'continue',
              ),
            },
            { take: assign({ counts: expression('json.decode(line)') }) },
            { keep: assign({ kms_calls: expression('string(counts.kms_calls)') }) },
          ],
        },
      },
    },
    { done: { return: expression('kms_calls') } },
  ],
};

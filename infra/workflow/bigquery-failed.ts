import {
  ABOUT_THE_QUERY,
  IN_STREAMING_BUFFER,
  LIMITS,
  OVERTAKEN,
  PASSING,
  SNAPSHOT_GONE,
} from '../../jobs/contract/bigquery-reasons.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import { statements } from '../../jobs/contract/sql/index.ts';
import { assign, type Body, call, choose, expression, reasonOf, type Subworkflow } from './steps.ts';

/** Codes by BigQuery's reason, and by the number of an answer that has none: the job's, jobs/google/failures.ts. */
const CODES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(LIMITS.map((reason) => [reason, 'bigquery'])),
  ...Object.fromEntries([...PASSING, 500, 502, 503, 504].map((reason) => [reason, 'bigquery-busy'])),
  accessDenied: 'bigquery-denied',
  403: 'bigquery-denied',
  notFound: 'bigquery-missing',
  404: 'bigquery-missing',
  accessNotConfigured: 'service-disabled',
  billingNotEnabled: 'billing-disabled',
};

/** Inside an `except` that calls the error `e`: raises what BigQuery answered to a step of that name. */
export const failedAt = (step: string): Body => call('bigquery_failed', { e: expression('e'), step });

/** Raises a failure under the code that the job has for it. The run is tried again. */
export function bigqueryFailedSubworkflow(d: Deployment): Subworkflow {
  const { proveStaged } = statements(d);
  const says = (words: string): string => `text.match_regex(reason, "${words}")`;
  const takes = (code: string): Body => ({ ...assign({ error_code: code }), next: 'fail_step' });
  return {
    params: ['e', 'step'],
    steps: [
      ...reasonOf('e', 'keep_sentence'),
      { expect_no_reason: assign({ said: '', codes: CODES }) },
      {
        read_reason: {
          try: { steps: [{ keep_reason: assign({ said: expression('e.body.error.errors[0].reason') }) }] },
          // From a proxy on the way, or no answer at all.
          except: { as: 'other', steps: [{ has_no_reason: assign({ said: '' }) }] },
        },
      },
      {
        name_code: assign({
          by_number: expression(
            'default(map.get(codes, string(default(map.get(e, "code"), 0))), "bigquery")',
          ),
          error_code: expression('default(map.get(codes, said), by_number)'),
        }),
      },
      {
        has_words: choose(
          {
            [says(OVERTAKEN)]: 'was_overtaken',
            [says(IN_STREAMING_BUFFER)]: 'is_streaming',
            [says(SNAPSHOT_GONE)]: 'is_too_late',
            [`step == "${proveStaged.name}" and said == "${ABOUT_THE_QUERY}"`]: 'does_not_open',
          },
          'fail_step',
        ),
      },
      { was_overtaken: takes('bigquery-busy') },
      { is_streaming: takes('source-streaming') },
      { is_too_late: takes('snapshot-gone') },
      { does_not_open: takes('verify-open') },
      {
        fail_step: {
          raise: {
            error_code: expression('error_code'),
            final: 'no',
            message: expression('"BigQuery, step " + step + ": " + reason'),
          },
        },
      },
    ],
  };
}

import { statements } from '../contract/sql/index.ts';
import { bigqueryEngine } from '../engines/bigquery/index.ts';
import { dataprocEngine } from '../engines/dataproc/index.ts';
import { directEngine } from '../engines/direct/index.ts';
import { bigQueryService } from '../google/bigquery.ts';
import { type WaitLimits, waitLimits } from '../google/wait-limits.ts';
import type { RunContext } from '../run/context.ts';
import type { Target } from './target.ts';

/**
 * Everything a run works with, for a stack or for the sandbox: only the endpoints differ. `limits` are other waits
 * than usual.
 */
export async function runContext(
  { deployment, endpoints }: Pick<Target, 'deployment' | 'endpoints'>,
  signal: AbortSignal,
  limits: Partial<WaitLimits> = {},
): Promise<RunContext> {
  const waits = { ...waitLimits(deployment), ...limits };
  const bigquery = await bigQueryService(deployment, endpoints, signal, waits);
  const engines = {
    direct: directEngine(deployment, bigquery, endpoints, waits),
    dataproc: dataprocEngine(deployment, endpoints, waits),
    bigquery: bigqueryEngine(deployment, bigquery, endpoints, waits),
  };
  return { deployment, bigquery, sql: statements(deployment), engines, signal };
}

import { statements } from '../contract/sql/index.ts';
import { dataprocEngine } from '../engines/dataproc/index.ts';
import { directEngine } from '../engines/direct/index.ts';
import { bigQueryService } from '../google/bigquery.ts';
import type { RunContext } from '../run/context.ts';
import type { Target } from './target.ts';

/** Everything a run works with, for a stack or for the sandbox: only the endpoints differ. */
export async function runContext(
  { deployment, endpoints }: Pick<Target, 'deployment' | 'endpoints'>,
  signal: AbortSignal,
): Promise<RunContext> {
  const bigquery = await bigQueryService(deployment, endpoints, signal);
  const engines = {
    direct: directEngine(deployment, bigquery, endpoints),
    dataproc: dataprocEngine(deployment, endpoints),
  };
  return { deployment, bigquery, sql: statements(deployment), engines, signal };
}

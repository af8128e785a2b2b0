import type { Deployment } from '../contract/deployment.ts';
import type { LedgerJson } from '../contract/ledger.ts';
import type { Target } from './target.ts';

export interface ConsoleLink {
  readonly name: string;
  readonly url: string;
}

const CONSOLE = 'https://console.cloud.google.com';

/** The same, for where there is a console: other endpoints than Google's own have none. */
export const linksOf = (
  { deployment, endpoints }: Pick<Target, 'deployment' | 'endpoints'>,
  run: Pick<LedgerJson, 'batch_id' | 'via'>,
): ConsoleLink[] => (endpoints === undefined ? consoleLinks(deployment, run) : []);

/** Pages of Google's console about a run: its batch, and the executions of the workflow that drove it. */
export function consoleLinks(
  { project, location, workflow }: Pick<Deployment, 'project' | 'location' | 'workflow'>,
  run: Pick<LedgerJson, 'batch_id' | 'via'>,
): ConsoleLink[] {
  const links: ConsoleLink[] = [];
  if (run.batch_id !== null)
    links.push({
      name: 'batch',
      url: `${CONSOLE}/dataproc/batches/${location}/${run.batch_id}/summary?project=${project}`,
    });
  const id = workflow?.split('/').at(-1);
  if (run.via === 'workflow' && id !== undefined)
    links.push({
      name: 'workflow',
      url: `${CONSOLE}/workflows/workflow/${location}/${id}/executions?project=${project}`,
    });
  return links;
}

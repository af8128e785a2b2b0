import type { ReadContext } from '../run/context.ts';
import { openTarget } from './open-target.ts';
import type { Target } from './target.ts';

export interface ReadingOptions {
  readonly stack?: string;
  readonly state: string;
}

/**
 * Opens a stack, or a sandbox that is there, for a command that looks at it, and closes it afterwards. What is under
 * way is said on stderr: stdout is the command's result. Throws ResealError.
 */
export async function reading(
  options: ReadingOptions,
  work: (context: ReadContext, target: Target) => Promise<void>,
): Promise<void> {
  const opening = openTarget({ ...options, mustExist: true }, (text) => process.stderr.write(text));
  opening.catch(() => {});
  // Loaded while the sandbox starts, or the stack's outputs are read.
  const [{ bigQueryService }, { statements }] = await Promise.all([
    import('../google/bigquery.ts'),
    import('../contract/sql/index.ts'),
    import('@google-cloud/bigquery'),
  ]);
  const target = await opening;
  try {
    const { deployment, endpoints } = target;
    const bigquery = await bigQueryService(deployment, endpoints);
    await work({ deployment, bigquery, sql: statements(deployment) }, target);
  } finally {
    await target.close();
  }
}

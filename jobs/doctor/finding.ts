import type { Deployment } from '../contract/deployment.ts';

/**
 * What a check found:
 * - `ok`: as it should be.
 * - `warning`: a run may start, but something will not work or deserves a look.
 * - `failed`: no run can end well before it is mended.
 * - `unknown`: this account may not look.
 */
export type Verdict = 'ok' | 'warning' | 'failed' | 'unknown';

/** One line of `reseal doctor`. */
export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  /** What was found, without any value of a row. */
  readonly found: string;
  /** What to change; null where nothing needs to be. */
  readonly remedy: string | null;
}

/**
 * What a run cannot do without that takes a batch: where another engine is allowed, a run by that one may start.
 *
 * @example
 * inBatches({ engines: ['direct', 'dataproc'] }); // 'warning'
 */
export const inBatches = ({ engines }: Pick<Deployment, 'engines'>): 'failed' | 'warning' =>
  engines.every((engine) => engine === 'dataproc') ? 'failed' : 'warning';

export const ok = (check: string, found: string): Finding => ({ check, verdict: 'ok', found, remedy: null });

export const wrong = (
  verdict: Exclude<Verdict, 'ok'>,
  check: string,
  found: string,
  remedy: string,
): Finding => ({ check, verdict, found, remedy });

import { runContext } from '../../jobs/cli/connect.ts';
import type { Deployment } from '../../jobs/contract/deployment.ts';
import type { WaitLimits } from '../../jobs/google/wait-limits.ts';
import type { RunOptions } from '../../jobs/run/context.ts';
import type { Report } from '../../jobs/run/report.ts';
import { run } from '../../jobs/run/run.ts';
import type { SandboxEndpoints } from '../../sandbox/http/endpoints.ts';
import { silent } from '../support/sandbox.ts';

type Carry = (
  deployment: Deployment,
  endpoints: SandboxEndpoints,
  options: RunOptions,
  signal?: AbortSignal,
  limits?: Partial<WaitLimits>,
) => Promise<Report>;

/** Begins a run. */
export const begin: Carry = async (
  deployment,
  endpoints,
  options,
  signal = new AbortController().signal,
  limits = {},
) => run(await runContext({ deployment, endpoints }, signal, limits), options, silent);

/**
 * Goes on with a run whose process is gone, as `--run-id` does: a run that the ledger does not know yet begins,
 * a known one is resumed.
 */
export const goOn: Carry = begin;

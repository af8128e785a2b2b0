import { randomBytes } from 'node:crypto';
import {
  cloudRunOwner,
  DEPLOYMENT_VARIABLE,
  ENDPOINTS_VARIABLE,
  EXECUTION_VARIABLE,
} from '../contract/cloud-run.ts';
import { parseDeployment } from '../contract/deployment.ts';
import { ResealError } from '../contract/errors.ts';
import { statements } from '../contract/sql/index.ts';
import { bigqueryEngine } from '../engines/bigquery/index.ts';
import { inThisThread } from '../engines/direct/threads.ts';
import type { Engine } from '../engines/engine.ts';
import { bigQueryService } from '../google/bigquery.ts';
import type { Endpoints } from '../google/clients.ts';
import { waitLimits } from '../google/wait-limits.ts';
import type { HeldContext } from '../run/context.ts';

/**
 * What the deployed job works with, by the environment that the program and Cloud Run give it: one stack, as whose account
 * it runs, and the engine inside BigQuery alone.
 *
 * @param from the owner that hands the run over
 *
 * @throws ResealError `stack-outputs`, `job-environment`
 */
export async function deployedContext(
  env: NodeJS.ProcessEnv,
  from: string,
  signal: AbortSignal,
): Promise<HeldContext> {
  const deployment = parseDeployment(JSON.parse(variable(env, DEPLOYMENT_VARIABLE)));
  const given = env[ENDPOINTS_VARIABLE];
  const endpoints = given === undefined ? undefined : (JSON.parse(given) as Endpoints);
  const limits = waitLimits(deployment);
  const bigquery = await bigQueryService(deployment, endpoints, signal, limits);
  // A task has one CPU.
  const engine = bigqueryEngine(deployment, bigquery, endpoints, limits, inThisThread);
  return {
    deployment,
    bigquery,
    sql: statements(deployment),
    engines: { bigquery: engine, dataproc: elsewhere('dataproc'), direct: elsewhere('direct') },
    signal,
    owner: cloudRunOwner({
      execution: variable(env, EXECUTION_VARIABLE),
      process: randomBytes(3).toString('hex'),
      from,
    }),
  };
}

function variable(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  throw new ResealError('job-environment', `the environment variable ${name} is not set`, {
    hint: 'the workflow starts this job; `npm run trigger` is the command for people',
  });
}

/** An engine that takes a run to another place than this. */
function elsewhere(name: Engine['name']): Engine {
  const refuse = async (): Promise<never> => {
    throw new ResealError('option-engine', `the deployed job has no ${name} engine`, {
      hint: 'the run goes on without `--via workflow`, by the engine that it began with',
    });
  };
  return { name, stage: refuse, discard: refuse };
}

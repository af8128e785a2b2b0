import { GoogleError } from '../errors/google-error.ts';
import { RUN, RUN_EXECUTION, RUN_JOB, RUN_OPERATION } from '../http/paths.ts';
import { type Call, type Json, objectOr, type Route, readJson } from '../http/router.ts';
import { cloudRunJobName, onName, onServiceAccount } from '../iam/resources.ts';
import type { Executions } from './executions.ts';
import type { Jobs } from './jobs.ts';
import { Operations } from './operations.ts';
import { taskOf, templateOf } from './template.ts';

/** Ids of jobs are names of the domain name system. https://www.rfc-editor.org/rfc/rfc1035#section-2.3.1 */
const JOB_ID = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

const parentName = ({ project, location }: Call['params']): string =>
  `projects/${project}/locations/${location}`;
const jobName = ({ project = '', location = '', job = '' }: Call['params']): string =>
  cloudRunJobName(project, location, job);
const executionName = (params: Call['params']): string => `${jobName(params)}/executions/${params.execution}`;

/** Throws for an account that a job cannot run as. */
export type CheckAccount = (member: string, project: string) => void;

/** Jobs of the Cloud Run Admin API: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs */
export function cloudRunRoutes(jobs: Jobs, executions: Executions, checkAccount: CheckAccount): Route[] {
  const operations = new Operations();
  /** The body of a job that the caller may have run as the account that it names. */
  const admitted = async (call: Call): Promise<Json> => {
    const body = await readJson(call);
    onlyDone(call, body);
    const { account } = taskOf(objectOr(templateOf(body).template));
    const project = call.params.project ?? '';
    // https://cloud.google.com/run/docs/reference/iam/roles#additional-configuration
    call.caller.require('iam.serviceAccounts.actAs', onServiceAccount(project, account));
    checkAccount(`serviceAccount:${account}`, project);
    return body;
  };
  return [
    {
      method: 'POST',
      path: `${RUN}/jobs`,
      handle: async (call) => {
        const id = call.query.get('jobId') ?? '';
        if (!JOB_ID.test(id)) throw new GoogleError('INVALID_ARGUMENT', `Invalid job id "${id}".`);
        const body = await admitted(call);
        const name = `${parentName(call.params)}/jobs/${id}`;
        return operations.ofJob(jobs.create(name, body, call.caller.member));
      },
    },
    { method: 'GET', path: RUN_JOB, handle: ({ params }) => jobs.get(jobName(params)) },
    {
      method: 'PATCH',
      path: RUN_JOB,
      handle: async (call) => {
        const body = await admitted(call);
        return operations.ofJob(jobs.replace(jobName(call.params), body, call.caller.member));
      },
    },
    {
      method: 'DELETE',
      path: RUN_JOB,
      handle: async (call) => {
        onlyDone(call, {});
        const job = jobs.delete(jobName(call.params));
        await executions.forget(job.name);
        return operations.ofJob(job);
      },
    },
    {
      method: 'POST',
      path: `${RUN_JOB}:run`,
      handle: async (call) => {
        const body = await readJson(call);
        onlyDone(call, body);
        const job = jobs.get(jobName(call.params));
        if (body.overrides !== undefined) call.caller.require('run.jobs.runWithOverrides', onName(job.name));
        return operations.ofRun(executions.start(job, objectOr(body.overrides), call.caller.member));
      },
    },
    {
      method: 'GET',
      path: `${RUN_JOB}/executions`,
      handle: ({ params }) => ({ executions: executions.list(jobs.get(jobName(params)).name) }),
    },
    { method: 'GET', path: RUN_EXECUTION, handle: ({ params }) => executions.get(executionName(params)) },
    {
      method: 'POST',
      path: `${RUN_EXECUTION}:cancel`,
      handle: async (call) => {
        onlyDone(call, await readJson(call));
        return operations.ofCancel(executions.cancel(executionName(call.params)));
      },
    },
    {
      method: 'GET',
      path: RUN_OPERATION,
      handle: ({ params }) => operations.get(`${parentName(params)}/operations/${params.operation}`),
    },
  ];
}

/** A call that is only to be looked at must not be carried out. @throws GoogleError UNIMPLEMENTED */
function onlyDone({ query }: Call, { validateOnly }: Json): void {
  if (validateOnly === true || query.get('validateOnly') === 'true')
    throw new GoogleError('UNIMPLEMENTED', 'The sandbox carries every call out: it has no validateOnly.');
}

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { creators } from '../../../sandbox/deploy/resources.ts';
import { endpointsOf } from '../../../sandbox/http/endpoints.ts';
import {
  ACCOUNT,
  BUCKET,
  bucket,
  completed,
  follow,
  JOB,
  JOBS,
  program,
  run,
  template,
} from '../../support/cloud-run.ts';
import { type Answer, type Harness, harness, LOCATION, PROJECT } from '../../support/harness.ts';

let h: Harness;
const MEMBER = 'serviceAccount:workflow@another-project.iam.gserviceaccount.com';
const LOCATED = `projects/${PROJECT}/locations/${LOCATION}`;
let token = '';

beforeAll(async () => {
  h = await harness();
  await bucket(h);
  await program(h, 'console.log(process.argv.slice(2).join());');
  ({ accessToken: token } = (await h.rest('POST', '/sandbox/v1/iam:token', { member: MEMBER })).body);
});
afterEach(() => h.rest('DELETE', `/v2/${JOB}`));
afterAll(() => h.close());

const create = (given: object = template(), id = 'a-job') =>
  h.rest('POST', `/v2/${JOBS}?jobId=${id}`, { template: given });

/** A call of the workflow's account. */
async function as(method: string, path: string, body?: object): Promise<{ status: number; body: Answer }> {
  const answer = await fetch(`${h.origin}/v2/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: await answer.json() };
}

describe('a job', () => {
  it('is created once, shown with what Google fills in, changed and deleted', async () => {
    const { body: operation } = await create();
    expect(operation).toMatchObject({
      done: true,
      response: { '@type': 'type.googleapis.com/google.cloud.run.v2.Job' },
    });
    expect((await h.rest('GET', `/v2/${operation.name}`)).body).toEqual(operation);
    expect((await create()).body.error.status).toBe('ALREADY_EXISTS');
    const { body: shown } = await h.rest('GET', `/v2/${JOB}`);
    expect(shown).toMatchObject({
      name: JOB,
      generation: '1',
      creator: 'owner@sandbox.invalid',
      template: { taskCount: 1, template: { timeout: '600s', maxRetries: 0, serviceAccount: ACCOUNT } },
      terminalCondition: { type: 'Ready', state: 'CONDITION_SUCCEEDED' },
    });
    const patched = await h.rest('PATCH', `/v2/${JOB}`, { template: template({ timeout: '60s' }) });
    expect(patched.body.response).toMatchObject({ generation: '2', uid: shown.uid });
    await h.restart();
    ({ accessToken: token } = (await h.rest('POST', '/sandbox/v1/iam:token', { member: MEMBER })).body);
    expect((await h.rest('GET', `/v2/${JOB}`)).body.template.template.timeout).toBe('60s');
    expect((await h.rest('DELETE', `/v2/${JOB}`)).body.done).toBe(true);
    for (const path of [JOB, `${JOB}/executions/a-job-aaaaa`])
      expect((await h.rest('GET', `/v2/${path}`)).body.error.status).toBe('NOT_FOUND');
  });

  it.each<[what: string, given: object, message: string]>([
    ['another program', template({}, { command: ['python', '/mnt/reseal/a.py'] }), 'no command but Node'],
    ['a file of the image', template({}, { command: ['node', '/app/a.mjs'] }), 'no file outside of a volume'],
    [
      'a way out of the volume',
      template({}, { command: ['node', '/mnt/reseal/../a.mjs'] }),
      'no path with dots in it',
    ],
    [
      'a bucket to write to',
      template({ volumes: [{ name: 'bucket', gcs: { bucket: BUCKET } }] }),
      'no volume but',
    ],
    ['no image', template({}, { image: undefined }), 'template.containers[0].image'],
    ['no container', template({ containers: [] }), 'exactly one container'],
    ['two tasks', { ...template(), taskCount: 2 }, 'no more tasks than one'],
    ['a secret', template({}, { env: [{ name: 'A', valueSource: {} }] }), 'no variable with a secret'],
    [
      'a long variable',
      template({}, { env: [{ name: 'A', value: 'a'.repeat(32_769) }] }),
      'more than 32768 bytes',
    ],
    ['an unknown property', template({}, { commands: [] }), 'Unknown name "commands"'],
  ])('with %s is turned down', async (_what, given, message) => {
    const { status, body } = await create(given);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.error.message).toContain(message);
  });

  it('has an id that is a name', async () => {
    for (const id of ['A', '1a', 'a-', 'a'.repeat(64)])
      expect((await create(template(), id)).body.error.message).toContain('Invalid job id');
  });

  it('is made out of the inputs of the provider, and brought up to date', async () => {
    const [container, volume] = [
      { name: 'bucket', mountPath: '/mnt/reseal' },
      { bucket: BUCKET, readOnly: true },
    ];
    const inputs = (args: string[]) => ({
      project: PROJECT,
      location: LOCATION,
      name: 'a-job',
      deletionProtection: true,
      labels: { environment: 'test' },
      template: {
        taskCount: 1,
        template: {
          serviceAccount: ACCOUNT,
          containers: [
            {
              image: 'an/image',
              commands: ['node', '/mnt/reseal/application/0123/job.mjs'],
              args,
              envs: [{ name: 'A', value: 'b' }],
              volumeMounts: [container],
            },
          ],
          volumes: [{ name: 'bucket', gcs: volume }],
        },
      },
    });
    const make = creators(endpointsOf(h.origin, h.token))['gcp:cloudrunv2/job:Job'];
    expect(await make?.(inputs(['first']))).toBe(JOB);
    expect(await make?.(inputs(['second']))).toBe(JOB);
    const { body } = await h.rest('GET', `/v2/${JOB}`);
    expect(body).toMatchObject({ generation: '2', labels: { environment: 'test' } });
    expect(body.template.template.containers[0]).toMatchObject({
      command: ['node', '/mnt/reseal/application/0123/job.mjs'],
      args: ['second'],
      env: [{ name: 'A', value: 'b' }],
    });
  });
});

describe('permissions', () => {
  const bind = (role: string, resource: string) =>
    h.rest('POST', '/sandbox/v1/iam:bind', { member: MEMBER, role, resource });
  const unbind = (role: string, resource: string) =>
    h.rest('POST', '/sandbox/v1/iam:unbind', { member: MEMBER, role, resource });
  const overrides = { containerOverrides: [{ args: ['--a'] }] };

  it('a developer of the job runs it with arguments, follows and cancels it, and loses all that', async () => {
    await create();
    const denied = async (method: string, path: string, body?: object) => {
      const answer = await as(method, path, body);
      expect(answer.status).toBe(403);
      return answer.body.error.message as string;
    };
    expect(await denied('POST', `${JOB}:run`, {})).toBe(
      `Permission 'run.jobs.run' denied on resource '${JOB}' (or it may not exist).`,
    );
    await bind('roles/run.developer', JOB);
    const { body: operation } = await as('POST', `${JOB}:run`, { overrides });
    const { name } = operation.metadata;
    expect((await as('GET', name)).status).toBe(200);
    expect((await as('POST', `${name}:cancel`, {})).status).toBe(200);
    await follow(h, operation);
    // The role on the job is none on the region, which operations stand below.
    expect(await denied('GET', operation.name)).toContain("'run.operations.get' denied");
    await unbind('roles/run.developer', JOB);
    expect(await denied('GET', name)).toContain(`'run.executions.get' denied on resource '${name}'`);
    expect(await denied('POST', `${name}:cancel`, {})).toContain("'run.executions.cancel' denied");
  });

  it('an invoker runs it, and not with arguments of its own', async () => {
    await create();
    await bind('roles/run.invoker', JOB);
    const { status, body } = await as('POST', `${JOB}:run`, { overrides });
    expect([status, body.error.message]).toEqual([
      403,
      `Permission 'run.jobs.runWithOverrides' denied on resource '${JOB}' (or it may not exist).`,
    ]);
    const started = await as('POST', `${JOB}:run`, {});
    expect(completed(await follow(h, started.body))).toMatchObject({ state: 'CONDITION_SUCCEEDED' });
    await unbind('roles/run.invoker', JOB);
  });

  it('who creates or changes it must be allowed to act as its account', async () => {
    await bind('roles/run.developer', `projects/${PROJECT}`);
    const body = { template: template() };
    const answers = [await as('POST', `${JOBS}?jobId=a-job`, body)];
    await create();
    answers.push(await as('PATCH', JOB, body));
    for (const { status, body: answer } of answers) {
      expect(status).toBe(403);
      expect(answer.error.message).toContain(`may not act as service account '${ACCOUNT}'`);
    }
    await bind('roles/iam.serviceAccountUser', `projects/${PROJECT}/serviceAccounts/${ACCOUNT}`);
    expect((await as('PATCH', JOB, body)).status).toBe(200);
    await unbind('roles/run.developer', `projects/${PROJECT}`);
  });

  it('stand in the policy of the job, and can be asked for', async () => {
    await create();
    const permissions = ['run.jobs.run', 'run.jobs.delete'];
    const held = async () => (await as('POST', `${JOB}:testIamPermissions`, { permissions })).body;
    expect(await held()).toEqual({});
    const bindings = [{ role: 'roles/run.invoker', members: [MEMBER] }];
    await h.rest('POST', `/v2/${JOB}:setIamPolicy`, { policy: { bindings } });
    expect((await h.rest('GET', `/v2/${JOB}:getIamPolicy`)).body.bindings).toEqual(bindings);
    expect(await held()).toEqual({ permissions: ['run.jobs.run'] });
    expect((await h.rest('GET', `/v2/${JOBS}/none:getIamPolicy`)).status).toBe(404);
    await unbind('roles/run.invoker', JOB);
  });
});

it('a job of an API that is off is not there', async () => {
  const api = `/v1/projects/${PROJECT}/services/run.googleapis.com`;
  await h.rest('POST', `${api}:disable`, {});
  expect((await create()).body.error.message).toContain('run.googleapis.com has not been used');
  await h.rest('POST', `${api}:enable`, {});
  expect((await create()).status).toBe(200);
  await expect(run(h, { taskCount: 2 })).rejects.toThrow('no more tasks than one');
  expect((await h.rest('GET', `/v2/${LOCATED}/operations/none`)).status).toBe(404);
});

it('a call that only asks what would happen is not carried out', async () => {
  const { status } = await h.rest('POST', `/v2/${JOBS}?jobId=a-job&validateOnly=true`, {
    template: template(),
  });
  expect([status, (await h.rest('GET', `/v2/${JOB}`)).status]).toEqual([501, 404]);
});

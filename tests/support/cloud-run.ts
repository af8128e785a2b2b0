import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Answer, type Harness, LOCATION, PROJECT } from './harness.ts';

export const JOBS = `projects/${PROJECT}/locations/${LOCATION}/jobs`;
export const JOB = `${JOBS}/a-job`;
export const BUCKET = 'a-bucket';
export const ACCOUNT = `job@${PROJECT}.iam.gserviceaccount.com`;
const FILE = 'application/0123/job.mjs';

/** A job that runs the file of the bucket, as the program deploys one. */
export const template = (task: object = {}, container: object = {}): object => ({
  template: {
    containers: [
      {
        image: 'us-docker.pkg.dev/an/image',
        command: ['node', `/mnt/reseal/${FILE}`],
        env: [{ name: 'OF_THE_TEMPLATE', value: 'yes' }],
        volumeMounts: [{ name: 'bucket', mountPath: '/mnt/reseal' }],
        ...container,
      },
    ],
    volumes: [{ name: 'bucket', gcs: { bucket: BUCKET, readOnly: true } }],
    serviceAccount: ACCOUNT,
    maxRetries: 0,
    ...task,
  },
});

/** Makes the bucket, with what the account needs to read it. */
export async function bucket(h: Harness): Promise<void> {
  await h.rest('POST', `/storage/v1/b?project=${PROJECT}`, { name: BUCKET });
  await h.rest('POST', '/sandbox/v1/iam:bind', READER);
}

/** What the job's account reads its file with. */
export const READER = {
  member: `serviceAccount:${ACCOUNT}`,
  role: 'roles/storage.objectViewer',
  resource: `projects/${PROJECT}/buckets/${BUCKET}`,
};

/** Puts a program where the job finds it. */
export async function program(h: Harness, source: string): Promise<void> {
  await h.storage.bucket(BUCKET).file(FILE).save(source, { resumable: false });
}

/** Starts an execution; its operation. */
export async function run(h: Harness, overrides?: object): Promise<Answer> {
  const { status, body } = await h.rest(
    'POST',
    `/v2/${JOB}:run`,
    overrides === undefined ? {} : { overrides },
  );
  if (status !== 200) throw new Error(body.error.message);
  return body;
}

/** Follows an execution until it is as wanted, completed unless said otherwise. */
export async function follow(
  { origin, token }: Pick<Harness, 'origin' | 'token'>,
  { metadata }: { metadata: { name: string } },
  wanted: (execution: Answer) => boolean = ({ completionTime }) => completionTime !== undefined,
): Promise<Answer> {
  for (const until = Date.now() + 20_000; Date.now() < until; await sleep(20)) {
    const headers = { authorization: `Bearer ${token}` };
    const execution: Answer = await (await fetch(`${origin}/v2/${metadata.name}`, { headers })).json();
    if (wanted(execution)) return execution;
  }
  throw new Error(`${metadata.name} does not get there`);
}

/** Waits for a file that a program leaves. */
export async function left(path: string): Promise<void> {
  for (const until = Date.now() + 20_000; Date.now() < until; await sleep(20)) if (existsSync(path)) return;
  throw new Error(`${path} is not there`);
}

/** The condition that says what became of an execution. */
export const completed = ({ conditions }: Answer): Answer =>
  conditions.find(({ type }: Answer) => type === 'Completed');

/** The entries of an execution's log. */
export const entries = ({ logUri }: Answer): Answer[] =>
  readFileSync(fileURLToPath(logUri), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Answer, messageOf, send } from '../http/client.ts';
import type { Task } from './template.ts';

const MISSING = 404;

/**
 * Mounts what a task needs of its bucket, as its account: the file that it runs, below a folder that is the root of its
 * file system. As with Cloud Storage FUSE, the account must be allowed to list the bucket and to read the object, and a
 * file that is not there is missed by who opens it.
 * https://cloud.google.com/run/docs/configuring/jobs/cloud-storage-volume-mounts
 *
 * @throws Error in Cloud Storage's words
 */
export async function mount(
  { file }: Task,
  root: string,
  cloud: { origin: string; token: string },
): Promise<void> {
  const objects = `${cloud.origin}/storage/v1/b/${file.bucket}/o`;
  const name = encodeURIComponent(file.object);
  const listed = await send(cloud.token, 'GET', `${objects}?prefix=${name}&maxResults=1`);
  if (listed.status >= 300) throw failed(file.volume, listed);
  const answer = await fetch(`${objects}/${name}?alt=media`, {
    headers: { authorization: `Bearer ${cloud.token}` },
  });
  if (answer.status === MISSING) return;
  if (!answer.ok) throw failed(file.volume, { status: answer.status, body: await jsonOf(answer) });
  const path = join(root, file.path);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, new Uint8Array(await answer.arrayBuffer()), { mode: 0o400 });
}

const jsonOf = (answer: Response): Promise<Answer['body']> =>
  answer.json().then(
    (body) => body as Answer['body'],
    () => ({}),
  );

const failed = (volume: string, answer: Answer): Error =>
  new Error(`mounting volume ${volume} failed: ${messageOf(answer)}`);

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Application } from '../tests/support/application.ts';

/** Made-up users in a file of the folder, each data key under as many of them as any other, and the KEK's file. */
export async function writeUsers(
  folder: string,
  rows: number,
  deks: number,
): Promise<{ users: string; kek: string }> {
  const application = new Application('gcm');
  const keys = Array.from({ length: deks }, () => application.newKey());
  const users = join(folder, 'users.ndjson');
  const file = createWriteStream(users);
  for (let id = 0; id < rows; id++) {
    const key = keys[id % deks] as (typeof keys)[number];
    const line = JSON.stringify({
      id: String(id),
      cipher_text: key.encrypt(`somebody.else${id}@mail.example`),
      dek: key.dek,
    });
    if (!file.write(`${line}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
  return { users, kek: application.writeKek(folder) };
}

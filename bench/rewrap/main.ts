/**
 * `npm run bench:rewrap [-- ROWS]`: what the mode `stale` takes in row keying after a rotation, on the sandbox: seconds
 * of the merge, which seals the row keysets anew in one statement, and the calls that Cloud KMS sees meanwhile.
 */

import { rotate } from '../../jobs/upkeep/keyset-rotation.ts';
import { Application } from '../../tests/support/application.ts';
import { testSandbox } from '../../tests/support/sandbox.ts';

const rows = Number(process.argv[2] ?? 100_000);
const DEKS = 1000;

const application = new Application('gcm');
const keys = Array.from({ length: DEKS }, () => application.newKey());
const box = await testSandbox({ storePlaintext: 'false' });
try {
  const users = Array.from({ length: rows }, (_, id) => {
    const key = keys[id % DEKS] as (typeof keys)[number];
    return { id: String(id), cipher_text: key.encrypt(`somebody.else${id}@mail.example`), dek: key.dek };
  });
  await box.load(application, users);
  await box.run();
  await rotate(box.context);
  await box.kmsCalls();
  let merge = 0;
  const timed = {
    async step<T>(name: string, work: (progress: () => void) => Promise<T>): Promise<T> {
      const began = performance.now();
      const result = await work(() => {});
      if (name === 'merge') merge = (performance.now() - began) / 1000;
      return result;
    },
  };
  const { rewrapped, read_back, seconds } = await box.run({ mode: 'stale' }, timed);
  process.stdout.write(
    `${rewrapped} row keysets sealed anew in ${merge.toFixed(1)} s, the whole run ${seconds?.toFixed(1)} s; ${await box.kmsCalls()} calls for data keys; ${read_back.readable} of ${read_back.checked} values read back open\n`,
  );
} finally {
  await box.close();
}

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleSources, COMMENT_BYTES, sourcesIn } from '../../jobs/contract/bundle-sources.ts';
import { ensureVenv, sparkOf } from '../../jobs/spark/venv.ts';
import { bundle } from '../../tools/bundle.ts';

const work = mkdtempSync(join(tmpdir(), 'reseal-bundle-'));
let python = '';
beforeAll(async () => {
  python = await ensureVenv();
}, 600_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Says which cryptography and google-auth a task imports, with the archive unpacked by Spark. */
const IN_A_TASK = `
import json
from pyspark import SparkContext
def where(_):
    from reseal.bundle import activate
    activate()
    import cryptography.hazmat.bindings._rust as rust
    import google.auth.transport.urllib3 as auth
    return [rust.__file__, auth.__file__]
print(json.dumps(SparkContext.getOrCreate().parallelize([0], 1).map(where).collect()[0]))
`;

test('the bundle is the same bytes twice, and tasks import from it', async () => {
  const [first, second] = [join(work, 'first'), join(work, 'second')];
  const hashes = await bundle(first);
  expect(await bundle(second)).toEqual(hashes);
  for (const [name, hash] of Object.entries(hashes)) {
    const bytes = readFileSync(join(first, name));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(hash);
  }
  // `reseal doctor` tells by their ends what the archives were made from.
  for (const name of ['reseal.zip', 'wheels.zip'])
    expect(sourcesIn(readFileSync(join(first, name)).subarray(-COMMENT_BYTES))).toBe(
      bundleSources('jobs/spark'),
    );

  const version = execFileSync(python, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
  // Another Python than the runtime's cannot load the bundle's native modules.
  if (version.toString().trim() !== '3.11') return;
  const submit = [
    '--master',
    'local[1]',
    '--archives',
    `${first}/wheels.zip#wheels`,
    '--py-files',
    `${first}/reseal.zip`,
    'pyspark-shell',
  ];
  const { stdout, stderr } = spawnSync(python, ['-c', IN_A_TASK], {
    encoding: 'utf8',
    env: {
      ...process.env,
      ...sparkOf(python).env,
      PYSPARK_SUBMIT_ARGS: submit.join(' '),
    },
  });
  const line = stdout.split('\n').find((one) => one.startsWith('[')) ?? stderr.slice(-2000);
  const paths = JSON.parse(line) as string[];
  for (const path of paths) expect(path).toContain('/wheels/');
}, 300_000);

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { cli, ndjson } from '../support/cli.ts';

interface Expected {
  id: string;
  email?: string;
  refused?: string;
}
const folder = mkdtempSync(join(tmpdir(), 'reseal-samples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sample = (name: string, file: string): string =>
  fileURLToPath(new URL(`../fixtures/samples/${name}/${file}`, import.meta.url));

/** How often each reason is expected. */
function reasons(expected: readonly Expected[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { refused } of expected) if (refused !== undefined) counts[refused] = (counts[refused] ?? 0) + 1;
  return counts;
}

describe.each([
  { name: 'small', format: 'gcm', deks: 117 },
  { name: 'medium', format: 'dotted', deks: 2406 },
])('$name sample', ({ name, format, deks }) => {
  const expected = ndjson<Expected>(readFileSync(sample(name, 'expected.ndjson'), 'utf8'));
  const readable = expected.filter((row) => row.email !== undefined);

  it.each([
    ['row', 'direct'],
    ['shared', 'bigquery'],
  ])('is re-encrypted with %s keying by the engine %s, every row accounted for', async (keying, engine) => {
    const state = join(folder, `${name}-${keying}`);
    const files = ['--users', sample(name, 'users.ndjson'), '--kek', sample(name, 'kek.json')];
    const how = ['--source-format', format, '--keying', keying, '--engine', engine];
    const first = await cli('trigger', ['--fresh', '--state', state, ...files, ...how, '--json']);
    expect(first.stderr).not.toContain('error');
    expect(JSON.parse(first.stdout)).toMatchObject({
      state: 'succeeded',
      selected: expected.length,
      merged: readable.length,
      rejected: expected.length - readable.length,
      reasons: reasons(expected),
      kms_calls: deks,
      read_back: { checked: Math.min(1000, readable.length), readable: Math.min(1000, readable.length) },
    });

    const read = await cli('reseal', ['read', '--state', state]);
    expect(ndjson(read.stdout)).toEqual(
      readable.map(({ id, email }) => ({ id, email })).sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1)),
    );

    const again = await cli('trigger', ['--state', state, '--json']);
    const unopened = expected.filter(({ refused }) => refused === 'dek-refused').length;
    expect(JSON.parse(again.stdout)).toMatchObject({
      state: 'succeeded',
      selected: unopened,
      merged: 0,
      rejected: unopened,
      reasons: { 'dek-refused': unopened },
    });
  });
});

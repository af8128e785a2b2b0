import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('no two files of jobs/ share a name, but the index of a folder', () => {
  const jobs = fileURLToPath(new URL('../jobs', import.meta.url));
  const files = readdirSync(jobs, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\.(ts|py)$/.test(path),
  );
  const names = files
    .map((path) => basename(path))
    .filter((name) => !/^(index\.ts|__init__\.py)$/.test(name));
  expect(names.length).toBeGreaterThan(100);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';

/** The sandbox's rooms as its page has them, and as `npm run lint` holds them. */

interface Rule {
  readonly name: string;
  readonly to: { readonly pathNot?: string[] };
}
const { forbidden } = createRequire(import.meta.url)('../../.dependency-cruiser.cjs') as {
  forbidden: Rule[];
};

/** The room of a rule's pattern: `bigquery/api` of `^sandbox/bigquery/api/`. */
const roomOf = (pattern: string): string =>
  pattern
    .replace(/^\^sandbox\//, '')
    .replace(/[/$]$/, '')
    .replace('\\.', '.');

const rules = new Map(
  forbidden
    .filter(({ name }) => name.startsWith('sandbox/'))
    .map(({ name, to }) => {
      const room = name.replace('sandbox/', '');
      return [room, (to.pathNot ?? []).map(roomOf).filter((other) => other !== room && !other.includes('('))];
    }),
);

const page = readFileSync('docs/sandbox.md', 'utf8').split('## Rooms')[1]?.split('\n## ')[0] ?? '';
const told = new Map(
  [...page.matchAll(/^\| `([^`]+)` \|.*\| ([^|]+) \|$/gm)].map(([, room = '', imports = '']) => [
    room.replace(/\/$/, ''),
    [...(imports.split(';')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, other = '']) => other),
  ]),
);

it('the page says of each room of the sandbox what it may import', () => {
  expect(told.size).toBeGreaterThan(15);
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(rules));
});

import { describe, expect, it } from 'vitest';
import { listing } from '../../jobs/cli/listing.ts';

const HEAD = ['run', 'merged', 'error'];
const ROWS = [
  ['pr-123', 980, ''],
  ['量子', '–', 'kms-denied'],
];

describe('rows under the names of their columns', () => {
  const lines = ['run     merged  error', 'pr-123     980', '量子         –  kms-denied'];

  it.each([undefined, 26, 80])('stand side by side where they fit: %s columns', (columns) => {
    expect(listing(HEAD, ROWS, columns)).toBe(lines.map((line) => `${line}\n`).join(''));
  });

  it('are turned on end on a terminal that is narrower', () => {
    expect(listing(HEAD, ROWS, 25)).toBe(`run     pr-123
merged  980
error

run     量子
merged  –
error   kms-denied
`);
  });
});

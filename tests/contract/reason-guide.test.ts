import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { meaningOf, REASON_GUIDE, remedyOf } from '../../jobs/contract/reason-guide.ts';
import { REASONS } from '../../jobs/contract/reasons.ts';

const rows = [
  ...readFileSync('docs/reasons.md', 'utf8').matchAll(/^\| `([a-z0-9-]+)` \| (.*) \| (.*) \|$/gm),
];

it('docs/reasons.md says what the commands and the report page say', () => {
  const page = Object.fromEntries(rows.map(([, reason, means, remedy]) => [reason, { means, remedy }]));
  expect(page).toEqual(REASON_GUIDE);
  expect(Object.keys(page).sort()).toEqual([...REASONS].sort());
});

it('in plain words, without the marks of a page', () => {
  for (const reason of REASONS) expect(meaningOf(reason) + remedyOf(reason)).not.toMatch(/[`[\]]/);
  expect(remedyOf('padding')).toContain('security.md');
  expect(remedyOf('of-a-later-version')).toContain('docs/reasons.md');
});

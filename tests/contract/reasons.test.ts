import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { meaningOf, REASONS, remedyOf } from '../../jobs/contract/reasons.ts';
import { vectorsSchema } from '../../jobs/envelope/check-vector.ts';
import { REASONS_PAGE, reasonsPage } from '../../tools/reasons-page.ts';

it('the page is of this table', () => {
  expect(readFileSync(REASONS_PAGE, 'utf8')).toBe(reasonsPage());
});

it('a vector shows each reason that a value by itself can have', () => {
  const shown = ['envelope.json', 'values.json'].flatMap((name) =>
    vectorsSchema
      .parse(JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')))
      .vectors.flatMap((vector) => (vector.kind === 'refused' ? [vector.reason] : [])),
  );
  // What Cloud KMS does not open is no vector's to show.
  expect(REASONS.filter((reason) => !shown.includes(reason))).toEqual(['dek-refused', 'kek-destroyed']);
});

it('is told in plain words, without the marks of a page', () => {
  for (const reason of REASONS) expect(meaningOf(reason) + remedyOf(reason)).not.toMatch(/[`[\]]/);
  expect(remedyOf('padding')).toContain('security.md');
  expect(remedyOf('of-a-later-version')).toContain('docs/reasons.md');
});

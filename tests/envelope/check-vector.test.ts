import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkVector, vectorsSchema } from '../../jobs/envelope/check-vector.ts';

const file = new URL('../fixtures/envelope.json', import.meta.url);
const { vectors } = vectorsSchema.parse(JSON.parse(readFileSync(file, 'utf8')));

describe('golden vectors by official Tink and PyCA', () => {
  it('has them all', () => expect(vectors).toHaveLength(149));

  it.each(vectors.map((vector, at) => ({ at, vector })))('$at $vector.kind', ({ vector }) => {
    expect(checkVector(vector)).toBeNull();
  });

  it('notices a vector that opens to something else', () => {
    const [vector] = vectors.filter(({ kind }) => kind === 'sealed');
    expect(checkVector({ ...vector, plaintext: 'mallory@example.com' } as (typeof vectors)[number])).toBe(
      'expected opened, got another plaintext',
    );
  });
});

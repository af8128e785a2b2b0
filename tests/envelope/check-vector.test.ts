import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkVector, vectorsSchema } from '../../jobs/envelope/check-vector.ts';

const vectorsOf = (name: string) => {
  const file = new URL(`../fixtures/${name}`, import.meta.url);
  return vectorsSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).vectors;
};
const vectors = vectorsOf('envelope.json');

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

it.each(vectorsOf('values.json').map((vector, at) => ({ at, vector })))(
  'values of AES-CBC, and values beside a pattern: $at $vector.kind',
  ({ vector }) => expect(checkVector(vector)).toBeNull(),
);

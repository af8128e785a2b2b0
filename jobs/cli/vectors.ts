import { readFile } from 'node:fs/promises';
import { checkVector, vectorsSchema } from '../envelope/vectors.ts';
import { ResealError } from '../errors.ts';
import { EXIT } from './exit.ts';

/** Runs a vectors file through the envelope code and ends with `N passed, N failed`. */
export async function vectors(file: string): Promise<void> {
  const parsed = vectorsSchema.safeParse(await contents(file));
  if (!parsed.success) {
    const [first] = parsed.error.issues;
    throw new ResealError('vectors-file', `${file}: ${first?.path.join('.')}: ${first?.message}`, {
      hint: 'docs/vectors.md describes the format',
    });
  }
  const failures = parsed.data.vectors.flatMap((vector, at) => {
    const failure = checkVector(vector);
    return failure === null ? [] : [`vector ${at} (${vector.kind}): ${failure}\n`];
  });
  const passed = parsed.data.vectors.length - failures.length;
  process.stdout.write(`${failures.join('')}${passed} passed, ${failures.length} failed\n`);
  if (failures.length > 0) process.exitCode = EXIT.failed;
}

async function contents(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new ResealError('vectors-file', `cannot read ${file} as JSON`, { cause: error });
  }
}

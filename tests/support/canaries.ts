import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Looks for secrets in what a run leaves behind. */

/** A secret in the forms in which it might be left somewhere. */
export function forms(secret: Buffer): Buffer[] {
  const base64 = [0, 1, 2].map((shift) => {
    // Base64 of a part of a longer text depends on where the part starts, but for the edges.
    const shifted = Buffer.concat([Buffer.alloc(shift), secret]).toString('base64');
    return shifted.slice(shift === 0 ? 0 : 4, -4);
  });
  const texts = [...base64, secret.toString('hex'), secret.toString('hex').toUpperCase()];
  return [secret, ...texts.map((text) => Buffer.from(text))];
}

/** Every file of a folder, however deep. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

/** In which of the places any form of a secret stands. */
export function leaks(places: Readonly<Record<string, Buffer>>, secrets: readonly Buffer[]): string[] {
  const wanted = secrets.flatMap(forms);
  return Object.entries(places)
    .filter(([, content]) => wanted.some((form) => content.includes(form)))
    .map(([place]) => place);
}

/** Large files are looked through in parts of so many bytes. */
const PART = 16 * 2 ** 20;

/** In which of the files any form of a secret stands, however large they are. */
export function leakingFiles(paths: readonly string[], secrets: readonly Buffer[]): string[] {
  const wanted = secrets.flatMap(forms);
  // What lies across the end of a part is whole in the next one.
  const overlap = Math.max(...wanted.map(({ length }) => length));
  const part = Buffer.allocUnsafe(PART);
  return paths.filter((path) => {
    const file = openSync(path, 'r');
    try {
      for (let at = 0; ; at += PART - overlap) {
        const read = readSync(file, part, 0, PART, at);
        if (wanted.some((form) => part.subarray(0, read).includes(form))) return true;
        if (read < PART) return false;
      }
    } finally {
      closeSync(file);
    }
  });
}

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { Application, ApplicationKey, UserRow } from './application.ts';

/** Rows as applications leave them, good ones and every kind of damage that anybody thought of. */
export function damagedUsers(
  application: Application,
  count: number,
  more: readonly ApplicationKey[] = [],
): UserRow[] {
  const keys = Array.from({ length: 8 + more.length }, (_, at) => {
    const key = more[at] ?? application.newKey();
    return at % 2 === 0 ? key : { ...key, dek: Buffer.from(key.dek, 'base64').toString('hex') };
  });
  const short = randomBytes(17);
  const odd = [
    '',
    'no base64!',
    'abc',
    application.wrap(short).toString('base64'),
    application.wrap(Buffer.alloc(0)).toString('hex'),
    randomBytes(60).toString('base64'),
    randomBytes(60).toString('hex').toUpperCase(),
  ];
  const text = fc.oneof(
    fc.emailAddress().map((email) => Buffer.from(email)),
    fc.string({ unit: 'binary' }).map((any) => Buffer.from(any)),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  );
  const cipherText = (key: ApplicationKey) =>
    fc.oneof(
      { weight: 6, arbitrary: text.map((plain) => key.encrypt(plain)) },
      { weight: 1, arbitrary: fc.base64String() },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.base64String(), fc.base64String()).map((parts) => parts.join('.')),
      },
      { weight: 1, arbitrary: fc.string() },
      {
        weight: 2,
        arbitrary: fc
          .tuple(text, fc.nat(), fc.constantFrom('A', '.', '=', '\n', 'é', ''))
          .map(([plain, at, junk]) => {
            const good = key.encrypt(plain);
            const place = at % good.length;
            return good.slice(0, place) + junk + good.slice(place + 1);
          }),
      },
    );
  const row = fc.constantFrom(...keys).chain((key) =>
    fc.record({
      id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      cipher_text: cipherText(key),
      dek: fc.oneof(
        { weight: 8, arbitrary: fc.constant(key.dek) },
        { weight: 1, arbitrary: fc.constantFrom(...odd) },
      ),
    }),
  );
  const rows = fc.sample(row, count);
  return [...new Map(rows.map((one) => [one.id, one])).values()];
}

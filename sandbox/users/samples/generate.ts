import { createCipheriv, createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Writes the sample users beside this file: `node --import tsx sandbox/users/samples/generate.ts`. The same bytes
 * each time: keys, nonces and choices come from one seed, so the samples can be made anew and compared.
 */
const SEED = 'reseal samples 1';
const ROWS = 1000;
const SHARED_DEKS = 20;
/** One row in so many is one that cannot be opened. */
const REJECTED_EVERY = 48;

let counter = 0;

/** The next bytes of the seed's stream. */
function bytes(length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let have = 0; have < length; have += 32) {
    blocks.push(createHash('sha256').update(`${SEED} ${counter++}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

const below = (limit: number): number => bytes(4).readUInt32BE() % limit;
const pick = <T>(from: readonly [T, ...T[]]): T => from[below(from.length)] ?? from[0];

/** iv 12 | ciphertext | tag 16: how the application, and Cloud KMS here, encrypt. */
function gcm(key: Buffer, plaintext: Buffer): Buffer {
  const iv = bytes(12);
  const name = `aes-${key.length * 8}-gcm` as 'aes-256-gcm';
  const cipher = createCipheriv(name, key, iv);
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

const kek = bytes(32);

interface DataKey {
  key: Buffer;
  wrapped: string;
}

function dataKey(length: number = pick([32, 32, 32, 16, 24])): DataKey {
  const key = bytes(length);
  const wrapped = gcm(kek, key);
  return { key, wrapped: wrapped.toString(below(4) === 0 ? 'hex' : 'base64') };
}

const shared = Array.from({ length: SHARED_DEKS }, () => dataKey()) as [DataKey, ...DataKey[]];

const GIVEN = ['ada', 'grace', 'alan', 'edsger', 'barbara', 'łukasz', 'katherine', 'søren', '美咲'] as const;
const FAMILY = ['lovelace', 'hopper', 'turing', 'liskov', 'åström', 'johnson', 'müller', '田中'] as const;
const HOST = ['example.com', 'mail.example', 'post.example.co.uk'] as const;

/** What goes wrong with a row, and the reason that Reseal must give. */
const REJECTIONS = [
  'authentication',
  'encoding',
  'truncated',
  'dek-refused',
  'key-length',
  'plaintext-not-utf8',
] as const;

function spoil(reason: (typeof REJECTIONS)[number], { key, wrapped }: DataKey, email: Buffer) {
  const sealed = gcm(key, email);
  switch (reason) {
    case 'authentication':
      sealed[20] = (sealed[20] ?? 0) ^ 1;
      return { cipher_text: sealed.toString('base64'), dek: wrapped };
    case 'encoding':
      return { cipher_text: '*** not base64 ***', dek: wrapped };
    case 'truncated':
      return { cipher_text: sealed.subarray(0, 27).toString('base64'), dek: wrapped };
    case 'dek-refused':
      return { cipher_text: sealed.toString('base64'), dek: bytes(60).toString('base64') };
    case 'key-length':
      return { cipher_text: sealed.toString('base64'), dek: dataKey(20).wrapped };
    case 'plaintext-not-utf8':
      return { cipher_text: gcm(key, Buffer.from([0xff, 0xfe, 0x41])).toString('base64'), dek: wrapped };
  }
}

const users: object[] = [];
const expected: object[] = [];
let id = 0n;
for (let row = 0; row < ROWS; row++) {
  id += BigInt(1 + below(9));
  // The last rows lie beyond what a JavaScript number holds, the very last at the end of INT64.
  if (row === ROWS - 20) id = 9_007_199_254_740_993n;
  if (row === ROWS - 1) id = 9_223_372_036_854_775_807n;
  const name = `${pick(GIVEN)}.${pick(FAMILY)}${below(10_000)}@${pick(HOST)}`;
  const email = Buffer.from(name);
  const dek = below(10) < 8 ? pick(shared) : dataKey();
  const reason =
    row % REJECTED_EVERY === REJECTED_EVERY - 1
      ? REJECTIONS[((row + 1) / REJECTED_EVERY - 1) % REJECTIONS.length]
      : undefined;
  const sealed = reason
    ? spoil(reason, dek, email)
    : { cipher_text: gcm(dek.key, email).toString('base64'), dek: dek.wrapped };
  users.push({ id: String(id), ...sealed });
  expected.push(reason ? { id: String(id), reason } : { id: String(id), email: name });
}

const write = (name: string, lines: readonly string[]): void =>
  writeFileSync(fileURLToPath(new URL(name, import.meta.url)), `${lines.join('\n')}\n`);
write(
  'users.ndjson',
  users.map((user) => JSON.stringify(user)),
);
write(
  'expected.ndjson',
  expected.map((row) => JSON.stringify(row)),
);
write('kek.json', [
  JSON.stringify(
    {
      algorithm: 'AES-256-GCM, iv 12 | ciphertext | tag 16, no AAD',
      material_base64: kek.toString('base64'),
    },
    null,
    2,
  ),
]);

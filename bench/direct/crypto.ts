/**
 * The crypto alone: node:crypto, and @noble/ciphers for AES-SIV, called as their documentation shows, for the same
 * operations on values of the same size. Prints CPU seconds. Arguments: rows, keying, staged values that BigQuery opens, values read back.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { aessiv } from '@noble/ciphers/aes.js';
import type { Keying } from '../../jobs/contract/settings/choices.ts';

const [rows, keying, verified, readBack] = process.argv.slice(2) as [string, Keying, string, string];
const VALUE = Buffer.from('somebody.else12345@mail.example');
/** A row's keyset has 104 bytes; its AAD is the id. */
const KEYSET = randomBytes(104);
const AAD = Buffer.from('1234567');

function seal(key: Buffer, plaintext: Buffer): { iv: Buffer; sealed: Buffer; tag: Buffer } {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  cipher.setAAD(AAD);
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { iv, sealed, tag: cipher.getAuthTag() };
}

function open(key: Buffer, { iv, sealed, tag }: ReturnType<typeof seal>): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv);
  decipher.setAAD(AAD);
  decipher.setAuthTag(tag);
  return Buffer.concat([decipher.update(sealed), decipher.final()]);
}

const keys = Array.from({ length: 1000 }, () => randomBytes(32));
const first = randomBytes(32);
const sources = keys.map((key) => seal(key, VALUE));
const keyset = seal(first, KEYSET);
const siv = randomBytes(64);
const sealedBySiv = aessiv(siv, AAD).encrypt(VALUE);

const before = process.cpuUsage();
for (let row = 0; row < Number(rows); row++) {
  const at = row % keys.length;
  const value = open(keys[at] as Buffer, sources[at] as ReturnType<typeof seal>);
  const key = keying === 'row' ? randomBytes(32) : first;
  if (keying === 'row') seal(first, KEYSET);
  if (keying === 'deterministic') aessiv(siv, AAD).encrypt(value);
  else seal(key, value);
}
for (let row = 0; row < Number(verified) + Number(readBack); row++) {
  const at = row % keys.length;
  if (keying === 'row') open(first, keyset);
  if (keying === 'deterministic') aessiv(siv, AAD).decrypt(sealedBySiv);
  else open(keys[at] as Buffer, sources[at] as ReturnType<typeof seal>);
}
const { user, system } = process.cpuUsage(before);
process.stdout.write(`${(user + system) / 1e6}\n`);

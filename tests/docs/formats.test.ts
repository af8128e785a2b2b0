import { execFileSync } from 'node:child_process';
import { createDecipheriv } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { asDataKey } from '../../jobs/envelope/brands.ts';
import { formatOf } from '../../jobs/envelope/formats.ts';
import { AES_GCM_TYPE_URL, serializeKeyset } from '../../jobs/envelope/keysets.ts';
import { blocksOf } from '../support/pages.ts';

const folder = mkdtempSync(join(tmpdir(), 'reseal-formats-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const PAGE = 'docs/formats.md';

describe('the script of the page', () => {
  const [script] = blocksOf(PAGE).filter(({ language }) => language === 'js');
  writeFileSync(join(folder, 'sample.mjs'), script?.text ?? '');

  it.each(SOURCE_FORMATS)('writes users in the format %s that open', (name) => {
    execFileSync(process.execPath, ['sample.mjs', name], { cwd: folder });
    const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
    const kek = Buffer.from(JSON.parse(read('kek.json')).material_base64, 'base64');
    const users = read('users.ndjson')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const format = formatOf(name);
    const opened = users.map(({ dek, cipher_text }) => {
      const wrapped = Buffer.from(format.wrappedKey(dek, cipher_text));
      const cipher = createDecipheriv('aes-256-gcm', kek, wrapped.subarray(0, 12)).setAuthTag(
        wrapped.subarray(-16),
      );
      const key = Buffer.concat([cipher.update(wrapped.subarray(12, -16)), cipher.final()]);
      return Buffer.from(format.prepare(asDataKey(key), 'reject')(cipher_text).plaintext).toString();
    });
    expect(opened).toEqual(['ada@example.com', 'grace@example.com', 'alan@example.com']);
  });
});

it('the line of openssl writes a value of AES-CBC that opens', () => {
  const [line] = blocksOf(PAGE).filter(({ text }) => text.includes('openssl'));
  const dek = '00112233445566778899aabbccddeeff'.repeat(2);
  const value = execFileSync('bash', ['-c', line?.text ?? ''], { env: { ...process.env, DEK: dek } });
  const open = formatOf('dotted').prepare(asDataKey(Buffer.from(dek, 'hex')), 'accept');
  expect(open(value.toString().trim())).toEqual({
    plaintext: Buffer.from('ada@example.com'),
    authenticated: false,
  });
});

it('the table of a keyset has its bytes', () => {
  const aes = Buffer.alloc(32, 7);
  const id = 1;
  const made = serializeKeyset({
    primaryKeyId: id,
    keys: [{ id, typeUrl: AES_GCM_TYPE_URL, aes, siv: null, enabled: true, tinkPrefix: true }],
  });
  const rows = [...readFileSync(PAGE, 'utf8').matchAll(/^\| (0x[^|]*) \| ([^|]*) \|$/gm)];
  const written = rows.map(([, bytes = '', what = '']) => {
    const fixed = [...bytes.matchAll(/0x(\w\w)/g)].map(([, hex]) => hex).join('');
    if (bytes.includes('varint')) return `${fixed}01`;
    if (bytes.includes('length')) return `${fixed}60`;
    if (bytes.includes('48'))
      return fixed + Buffer.from(/`(type\.[^`]+)`/.exec(what)?.[1] ?? '').toString('hex');
    return bytes.includes('32') ? fixed + aes.toString('hex') : fixed;
  });
  expect(written.join('')).toBe(made.toString('hex'));
});

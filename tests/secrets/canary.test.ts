import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEYINGS, SOURCE_FORMATS } from '../../jobs/contract/settings/choices.ts';
import { Application, type ApplicationKey, writeUsers } from '../support/application.ts';
import { filesOf, forms, leakingFiles, leaks } from '../support/canaries.ts';
import { type CliResult, cli } from '../support/cli.ts';

/** Texts that stand nowhere but in the rows of this test. */
const CANARIES = ['canary-plaintext-7f3a@example.com', 'kanarienvögel-9c1d@example.com'];

const folder = mkdtempSync(join(tmpdir(), 'reseal-canary-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Every format, every keying; the keyings differ in sealing alone, which no format touches. Inside BigQuery those formats
 * whose keys are handed over in different ways.
 */
const runs = SOURCE_FORMATS.flatMap((format, at) =>
  (format === 'dotted' || format === 'tink' ? (['direct', 'bigquery'] as const) : (['direct'] as const)).map(
    (engine, other) => ({
      format,
      engine,
      keying: KEYINGS[(at + other) % KEYINGS.length] ?? 'row',
    }),
  ),
);

describe.each(runs)('a run of $engine over $format with $keying keying', ({ format, engine, keying }) => {
  const state = join(folder, `${format}-${engine}`);
  const application = new Application(format);
  const keys: ApplicationKey[] = [application.newKey(), application.newKey()];
  let results: CliResult[] = [];

  beforeAll(async () => {
    const rows = keys.flatMap((key, at) => [
      { id: `${at}1`, cipher_text: key.encrypt(CANARIES[at] ?? ''), dek: key.dek },
      {
        id: `${at}2`,
        cipher_text: key.encrypt(Buffer.from([0xff, ...Buffer.from(CANARIES[at] ?? '')])),
        dek: key.dek,
      },
      { id: `${at}3`, cipher_text: `${key.encrypt(CANARIES[at] ?? '')}!`, dek: key.dek },
    ]);
    const users = writeUsers(folder, rows, `${format}-${engine}.ndjson`);
    const how = [
      '--source-format',
      format,
      '--keying',
      keying,
      '--engine',
      engine,
      '--users',
      users,
      '--kek',
      application.writeKek(folder),
    ];
    results = [
      await cli('trigger', ['--state', state, ...how]),
      await cli('reseal', ['history', '--state', state]),
    ];
  });

  it('works', () => {
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    expect(results[0]?.stdout).toMatch(/2 of 2 merged values/);
  });

  it('leaves no plaintext and no data key behind', () => {
    const left = filesOf(state);
    const printed = Object.fromEntries(
      results.flatMap(({ stdout, stderr }, at) => [
        [`stdout ${at}`, Buffer.from(stdout)],
        [`stderr ${at}`, Buffer.from(stderr)],
      ]),
    );
    const secrets = [...CANARIES.map((text) => Buffer.from(text)), ...keys.map((key) => key.unwrapped)];
    expect(left.length).toBeGreaterThan(2);
    expect([...leakingFiles(left, secrets), ...leaks(printed, secrets)]).toEqual([]);
  });
});

it('would notice a leak in any form', () => {
  const secret = Buffer.from(CANARIES[0] ?? '');
  for (const form of forms(secret)) {
    expect(leaks({ file: Buffer.concat([Buffer.from('x'), form, Buffer.from('y')]) }, [secret])).toEqual([
      'file',
    ]);
  }
  expect(leaks({ file: Buffer.from(`{"a":"${secret.toString('base64')}"}`) }, [secret])).toEqual(['file']);
});

it('would notice one across the parts of a large file', () => {
  const secret = Buffer.from(CANARIES[0] ?? '');
  const path = join(folder, 'large');
  const part = 16 * 2 ** 20;
  for (const at of [part - 5, part * 2 - 200]) {
    writeFileSync(path, Buffer.concat([Buffer.alloc(at), secret, Buffer.alloc(100)]));
    expect(leakingFiles([path], [secret])).toEqual([path]);
  }
  writeFileSync(path, Buffer.alloc(part * 2));
  expect(leakingFiles([path], [secret])).toEqual([]);
});

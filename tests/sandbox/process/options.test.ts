import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { optionsOf } from '../../../sandbox/process/options.ts';

/** What Commander prints itself. */
function printed(): string[] {
  const lines: string[] = [];
  for (const stream of [process.stdout, process.stderr]) {
    const write = vi.spyOn(stream, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
    onTestFinished(() => write.mockRestore());
  }
  return lines;
}

describe('the options of npm run sandbox', () => {
  it('have defaults, and settings that may hold an equals sign', () => {
    expect(optionsOf(['--config', 'a=b=c', '--config', 'd='])).toEqual({
      state: '.reseal',
      port: 0,
      stack: 'dev',
      config: { a: 'b=c', d: '' },
      dataproc: 'spark',
    });
  });

  it.each([
    [['--config', 'foo'], 'option-config'],
    [['--state', ''], 'option-state'],
  ])('have codes where they are wrong: %s', (argv, code) => {
    expect(() => optionsOf(argv)).toThrow(expect.objectContaining({ code, hint: expect.anything() }));
  });

  it('take no file for a folder', () => {
    const folder = mkdtempSync(join(tmpdir(), 'reseal-options-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'file'), '');
    for (const name of ['file', 'file/below'])
      expect(() => optionsOf(['--state', join(folder, name)])).toThrow(
        expect.objectContaining({ code: 'option-state' }),
      );
  });

  it.each([
    { argv: ['--nosuch'], says: 'unknown option' },
    { argv: ['--port', 'abc'], says: 'a whole number from 0 to 65535 is needed' },
    { argv: ['--port', '65536'], says: 'a whole number from 0 to 65535 is needed' },
    { argv: ['--help'], says: "Dataproc's batches" },
  ])('are explained: $argv', ({ argv, says }) => {
    const lines = printed();
    expect(() => optionsOf(argv)).toThrow(expect.objectContaining({ name: 'CommanderError' }));
    expect(lines.join('').replaceAll(/\s+/g, ' ')).toContain(says);
  });
});

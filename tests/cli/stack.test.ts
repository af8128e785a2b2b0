import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startCli } from '../support/cli.ts';

const NAME = 'vitest-2';
const FILE = `Pulumi.${NAME}.yaml`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pulumi-'));
  vi.stubEnv('FAKE_PULUMI', folder);
  vi.stubEnv('PATH', [resolve('tests/support/pulumi/cli'), process.env.PATH].join(delimiter));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
  rmSync(FILE, { force: true });
});

it.each([
  { action: 'preview', signal: 'SIGINT', asGroup: true, says: 'cancelled; nothing was deployed' },
  { action: 'preview', signal: 'SIGTERM', asGroup: false, says: 'cancelled; nothing was deployed' },
  {
    action: 'up',
    signal: 'SIGINT',
    asGroup: true,
    says: `cancelled; stack ${NAME} is as far as Pulumi had come`,
  },
] as const)(
  'stack $action by $signal ends with Pulumi, and leaves what it says',
  async ({ action, signal, asGroup, says }) => {
    vi.stubEnv('FAKE_PULUMI_WAITS', action);
    const running = startCli('reseal', ['stack', action, NAME], { asGroup });
    await running.says(/is under way/);
    expect(existsSync(FILE)).toBe(true);
    running.kill(signal);
    const { code, stdout, stderr } = await running.ended;
    expect([code, stdout]).toEqual([130, '']);
    expect(stderr).toContain(
      `error (cancelled): ${says}\ncause: Pulumi failed on stack ${NAME}: ${action} cancelled\n`,
    );
    const commands = readFileSync(join(folder, 'commands.log'), 'utf8');
    if (action === 'preview') {
      expect(stderr).toContain(`stack ${NAME}, made for the preview, is removed again\n`);
      expect(commands).toMatch(/^stack rm /m);
    } else {
      expect(stderr).toContain(`hint: \`npm run reseal -- stack up ${NAME}\` goes on`);
      expect(commands).not.toMatch(/^stack rm /m);
    }
    expect(existsSync(FILE)).toBe(action === 'up');
  },
);

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { checkName, down, ephemeralConfig, preview, up } from '../../jobs/stack/ephemeral.ts';
import { readStackOutputs } from '../../jobs/stack/outputs.ts';
import { configOf, type Recorded, runProgram, stackProgram } from '../support/pulumi/program.ts';

const devFile = vi.hoisted(() => ({ text: null as string | null }));
/** The project's own file of dev has no secrets. */
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const readFile = (...args: Parameters<typeof real.readFile>) =>
    devFile.text !== null && String(args[0]).endsWith('Pulumi.dev.yaml')
      ? Promise.resolve(devFile.text)
      : real.readFile(...args);
  return { ...real, readFile };
});

let folder: string;
const NAME = 'vitest-1';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pulumi-'));
  vi.stubEnv('FAKE_PULUMI', folder);
  vi.stubEnv('PATH', [resolve('tests/support/pulumi/cli'), process.env.PATH].join(delimiter));
});
afterEach(() => {
  devFile.text = null;
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
  rmSync(`Pulumi.${NAME}.yaml`, { force: true });
});

const stacks = (all: object) => writeFileSync(join(folder, 'stacks.json'), JSON.stringify(all));
const commands = () => readFileSync(join(folder, 'commands.log'), 'utf8');

describe('outputs of a stack', () => {
  it('are read without selecting it', async () => {
    stacks({ dev: { project: 'example-data-dev' } });
    expect(await readStackOutputs('dev')).toEqual({ project: 'example-data-dev' });
    expect(commands()).not.toContain('select');
  });

  it('need a CLI', async () => {
    vi.stubEnv('PATH', folder);
    const error = await readStackOutputs('dev').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'pulumi-cli',
      message: 'there is no Pulumi CLI on the PATH',
      hint: expect.stringContaining('install the Pulumi CLI'),
    });
    // Six lines that say ENOENT once more.
    expect(error).not.toHaveProperty('cause');
  });

  it('need a CLI that is new enough', async () => {
    vi.stubEnv('FAKE_PULUMI_VERSION', 'v2.1.0');
    await expect(readStackOutputs('dev')).rejects.toMatchObject({
      code: 'pulumi-cli',
      message: expect.stringMatching(/not usable: .*version/i),
    });
  });

  it('need the stack', async () => {
    await expect(readStackOutputs('dev')).rejects.toMatchObject({
      code: 'stack-missing',
      message: 'there is no stack dev',
      hint: expect.stringContaining('pulumi stack init dev'),
    });
  });

  it('need an update first', async () => {
    stacks({ dev: {} });
    await expect(readStackOutputs('dev')).rejects.toMatchObject({
      code: 'stack-empty',
      hint: 'run `pulumi up --stack dev` first',
    });
  });

  it('say how the CLI ended where it said nothing', async () => {
    vi.stubEnv('FAKE_PULUMI_WAITS', 'stack output');
    vi.stubEnv('FAKE_PULUMI_DIES', 'SIGTERM');
    await expect(readStackOutputs('dev')).rejects.toMatchObject({
      code: 'pulumi',
      message: expect.stringMatching(
        /^Pulumi failed on stack dev: Command was killed with SIGTERM .*pulumi stack output/,
      ),
    });
  });

  it('say what else went wrong, in one line', async () => {
    vi.stubEnv('FAKE_PULUMI_ERROR', 'PULUMI_ACCESS_TOKEN must be set');
    await expect(readStackOutputs('dev')).rejects.toMatchObject({
      code: 'pulumi',
      message: 'Pulumi failed on stack dev: PULUMI_ACCESS_TOKEN must be set',
      hint: '`pulumi stack output --stack dev` says more',
    });
  });
});

describe("dev's secrets", () => {
  const TOKEN = 'ya29.canary\nof two lines';
  const config = (more: string) => `config:\n  reseal:project: example-data-dev\n${more}`;
  const file = () => readFileSync(`Pulumi.${NAME}.yaml`, 'utf8');

  it('become secrets of the stack, and no argument, file or output has them', async () => {
    devFile.text = config('  gcp:accessToken:\n    secure: v1:dev:AAAA\n');
    vi.stubEnv('FAKE_PULUMI_CONFIG', JSON.stringify({ 'gcp:accessToken': { value: TOKEN, secret: true } }));
    stacks({ dev: {} });
    const said: string[] = [];
    for (const _ of [1, 2]) await up(NAME, (text) => said.push(text));
    const secure = `v1:${NAME}:${Buffer.from(TOKEN).toString('base64')}`;
    expect(parse(file())).toMatchObject({ config: { 'gcp:accessToken': { secure }, 'ephemeral:of': 'dev' } });
    expect(commands()).toContain(`config set --secret --stack ${NAME} gcp:accessToken\n`);
    for (const text of [commands(), file(), said.join('')]) expect(text).not.toMatch(/canary|v1:dev/);
  });

  it('that Pulumi does not set are told without what they say', async () => {
    devFile.text = config('  gcp:accessToken:\n    secure: v1:dev:AAAA\n');
    vi.stubEnv('FAKE_PULUMI_CONFIG', JSON.stringify({ 'gcp:accessToken': { value: TOKEN, secret: true } }));
    vi.stubEnv('FAKE_PULUMI_REFUSES', TOKEN);
    stacks({ dev: {} });
    await expect(preview(NAME, () => {})).rejects.toMatchObject({
      code: 'pulumi',
      message: `Pulumi failed on stack ${NAME}, secret gcp:accessToken: it gave no reason that can be shown`,
    });
    expect(existsSync(`Pulumi.${NAME}.yaml`)).toBe(false);
  });

  it.each([
    ['reseal:bucket', '  reseal:bucket:\n    secure: v1:dev:AAAA\n'],
    ['reseal:labels', '  reseal:labels:\n    team:\n      secure: v1:dev:AAAA\n'],
    ['gcp:batching', '  gcp:batching:\n    sendAfter:\n      secure: v1:dev:AAAA\n'],
  ])('that another stack cannot have are refused before there is one: %s', async (key, more) => {
    devFile.text = config(more);
    await expect(up(NAME, () => {})).rejects.toMatchObject({
      code: 'stack-secret',
      message: expect.stringContaining(key),
    });
    expect(commands()).not.toContain('stack init');
  });
});

describe('an ephemeral stack', () => {
  it('goes up, up again, and down with its file', async () => {
    const said: string[] = [];
    expect(await preview(NAME, (text) => said.push(text))).toEqual({ changes: { create: 3 }, outputs: {} });
    expect(said.join('')).toContain('the engine says something');
    expect(await up(NAME, () => {})).toEqual({ changes: { create: 3 }, outputs: { stack: NAME } });
    expect(await up(NAME, () => {})).toMatchObject({ outputs: { stack: NAME } });

    const written = parse(readFileSync(`Pulumi.${NAME}.yaml`, 'utf8')) as { config: object };
    expect(written.config).toMatchObject({ 'reseal:dataset': 'encryption_poc_vitest_1' });

    await down(NAME, () => {});
    expect(existsSync(`Pulumi.${NAME}.yaml`)).toBe(false);
    await expect(down(NAME, () => {})).rejects.toMatchObject({
      code: 'stack-missing',
      hint: 'there is nothing to take down; `pulumi stack ls` lists the stacks',
    });
  });

  it('is previewed without a trace', async () => {
    expect(await preview(NAME, () => {})).toMatchObject({ changes: { create: 3 } });
    expect(existsSync(`Pulumi.${NAME}.yaml`)).toBe(false);
    await expect(down(NAME, () => {})).rejects.toMatchObject({ code: 'stack-missing' });
    await up(NAME, () => {});
    await preview(NAME, () => {});
    expect(existsSync(`Pulumi.${NAME}.yaml`)).toBe(true);
  });

  it('goes down from a checkout that has no file of it', async () => {
    await up(NAME, () => {});
    rmSync(`Pulumi.${NAME}.yaml`);
    await down(NAME, () => {});
    expect(existsSync(`Pulumi.${NAME}.yaml`)).toBe(false);
    expect(commands()).toMatch(/^destroy .*^stack rm /ms);
  });

  it.each([
    ['by its file', true],
    ['from another checkout', false],
  ])('is none that somebody has made for themselves, known %s', async (_how, file) => {
    const own = 'config:\n  reseal:project: example-data-crm\n  reseal:deletionProtection: "false"\n';
    stacks({ [NAME]: { project: 'example-data-crm' } });
    writeFileSync(join(folder, 'updates.json'), JSON.stringify({ [NAME]: own }));
    if (file) writeFileSync(`Pulumi.${NAME}.yaml`, own);
    for (const command of [preview, up, down])
      await expect(command(NAME, () => {})).rejects.toMatchObject({ code: 'stack-name' });
    expect(existsSync(`Pulumi.${NAME}.yaml`) && readFileSync(`Pulumi.${NAME}.yaml`, 'utf8')).toBe(
      file && own,
    );
    expect(commands()).not.toMatch(/^(?:up|destroy|preview|stack rm)/m);
  });

  it('is not made over a stack that was never updated', async () => {
    stacks({ [NAME]: {} });
    await expect(up(NAME, () => {})).rejects.toMatchObject({ code: 'stack-name' });
  });

  it('goes on where an earlier one ended between the stack and its settings', async () => {
    stacks({ [NAME]: {} });
    writeFileSync(`Pulumi.${NAME}.yaml`, 'encryptionsalt: v1:AAAA\n');
    await up(NAME, () => {});
    expect(parse(readFileSync(`Pulumi.${NAME}.yaml`, 'utf8'))).toMatchObject({
      encryptionsalt: 'v1:AAAA',
      config: { 'ephemeral:of': 'dev' },
    });
  });

  it('is none that somebody has deployed, though the file here has no settings', async () => {
    stacks({ [NAME]: { project: 'example-data-crm' } });
    const own = 'encryptionsalt: v1:AAAA\nconfig:\n  reseal:project: example-data-crm\n';
    writeFileSync(join(folder, 'updates.json'), JSON.stringify({ [NAME]: own }));
    writeFileSync(`Pulumi.${NAME}.yaml`, 'encryptionsalt: v1:AAAA\n');
    for (const command of [up, down])
      await expect(command(NAME, () => {})).rejects.toMatchObject({ code: 'stack-name' });
    expect(readFileSync(`Pulumi.${NAME}.yaml`, 'utf8')).toContain('encryptionsalt');
    expect(commands()).not.toMatch(/^(?:up|destroy|stack rm)/m);
  });

  it.each(['dev', 'staging', 'prod', 'eu-prod', 'PR-1', 'fifteen-letters'])('is not called %s', (name) => {
    expect(() => checkName(name)).toThrow(expect.objectContaining({ code: 'stack-name' }));
  });

  it('takes maps of dev as text, too, and leaves it to the program to say what is wrong with one', () => {
    const of = (schedule: string, labels: string) =>
      ephemeralConfig({ 'reseal:project': 'p', 'reseal:schedule': schedule, 'reseal:labels': labels }, NAME);
    expect(of('{cron: "0 3 * * *", paused: false}', '{"team":"crm"}')).toMatchObject({
      'reseal:schedule': { cron: '0 3 * * *', paused: true },
      'reseal:labels': { team: 'crm', environment: NAME },
    });
    expect(of('daily', '{')).toMatchObject({ 'reseal:schedule': 'daily', 'reseal:labels': '{' });
  });

  it('meets dev in nothing but the APIs and the keys that it reads with', async () => {
    const dev = { ...configOf('dev'), 'reseal:readers': 'analysts@example.com', 'reseal:cmek': 'create' };
    const config = await ephemeralConfig(dev, NAME);
    const texts = Object.entries(config).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]);
    const [ephemeral, original] = await Promise.all([
      runProgram(NAME, Object.fromEntries(texts)),
      stackProgram('dev'),
    ]);
    const taken = new Set(original.resources.map(identity));
    const shared = ephemeral.resources.filter((one) => one.custom && taken.has(identity(one)));
    expect(new Set(shared.map(({ type }) => type))).toEqual(
      new Set(['gcp:projects/service:Service', 'gcp:projects/serviceIdentity:ServiceIdentity']),
    );
    expect(ephemeral.resources.some(({ type }) => type.startsWith('gcp:kms/keyRing'))).toBe(false);
    expect(ephemeral.resources.some(({ protect }) => protect)).toBe(false);
    expect(ephemeral.outputs).toMatchObject({
      sourceKek: 'projects/example-data-dev/locations/us-central1/keyRings/reseal-dev/cryptoKeys/source',
      workflow: `projects/example-data-dev/locations/us-central1/workflows/reseal-${NAME}`,
    });
  });
});

/** What makes two resources one and the same thing in Google Cloud. */
const NAMING = [
  'project',
  'name',
  'bucket',
  'accountId',
  'datasetId',
  'tableId',
  'routineId',
  'service',
  'member',
  'role',
  'cryptoKeyId',
  'serviceAccountId',
  'displayName',
  'dashboardJson',
];

function identity({ type, inputs }: Recorded): string {
  return JSON.stringify([type, ...NAMING.map((name) => inputs[name])]);
}

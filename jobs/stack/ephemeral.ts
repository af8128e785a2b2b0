import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalWorkspace, Stack } from '@pulumi/pulumi/automation/index.js';
import { parse } from 'yaml';
import { z } from 'zod';
import { ResealError } from '../contract/errors.ts';
import { decodeSetting } from '../contract/settings/decode.ts';
import { runSettings } from '../contract/settings/run-settings.ts';
import { tableSettings } from '../contract/settings/table-settings.ts';
import { bucketName, isProduction, keyRingId, STACK_NAME, STACK_NAME_RULE } from '../contract/stack-name.ts';
import { explained, firstLine, openWorkspace, PROJECT_FOLDER } from './outputs.ts';
import { apart, hasSecret, type StackConfig, secretsOfDev, setSecret } from './secrets.ts';

/**
 * Ephemeral stacks: a copy of dev for a branch, in dev's project, that shares nothing with dev but the keys
 * that its values are wrapped with.
 */

/** The stacks with files of their own are nobody's to put up and take down on the way. */
const KEPT = ['dev', 'staging', 'prod'];

/**
 * A key of the configuration that only a stack of this module has: it tells a stack that may be overwritten and destroyed
 * from one that somebody has made for themselves. Pulumi keeps it with each update, so that a checkout without the file
 * learns of it, too.
 */
const MARK = 'ephemeral:of';

/** Project-wide or shared bindings: one stack must not take them from under another when it goes. */
const LEFT_OUT = [
  'serviceAccount',
  'readers',
  'composerDagBucket',
  'composerServiceAccount',
  'keyRing',
  'createSourceTable',
  'partitionColumn',
  'readDataset',
  'notificationChannels',
];

/**
 * The configuration of an ephemeral stack.
 *
 * @param dev dev's configuration, as its file has it
 * @param name the ephemeral stack's name; its suffix to whatever dev names
 * @throws ResealError `stack-secret` where it would take the text of a secret
 */
export function ephemeralConfig(dev: StackConfig, name: string): StackConfig {
  const of = (setting: string): unknown => {
    const value = dev[`reseal:${setting}`];
    if (!hasSecret(value)) return value;
    throw new ResealError(
      'stack-secret',
      `reseal:${setting} of dev is a secret, and ${name} has one made of it`,
      {
        hint: `set it without --secret: \`pulumi config set reseal:${setting} VALUE --stack dev\``,
      },
    );
  };
  const given = (setting: string, otherwise: string): string => String(of(setting) ?? otherwise);
  const mapping = (setting: string, more: object): unknown => {
    const value = of(setting) ?? {};
    const map = decodeSetting(z.record(z.string(), z.unknown()), value);
    // What is no map the program refuses, with a message of its own.
    return map.success ? { ...map.data, ...more } : value;
  };
  const project = given('project', '');
  const location = given('location', runSettings.location.parse(undefined));
  const ring = `projects/${project}/locations/${location}/keyRings/${given('keyRing', keyRingId('dev'))}`;
  const dataset = given('dataset', tableSettings.dataset.parse(undefined));
  const kept = Object.entries(dev).filter(([key]) => !LEFT_OUT.some((left) => key === `reseal:${left}`));
  return {
    ...Object.fromEntries(kept),
    [MARK]: 'dev',
    'reseal:bucket': `${given('bucket', bucketName(project, 'dev'))}-${name}`,
    'reseal:dataset': `${dataset}_${name.replaceAll('-', '_')}`,
    // Google never deletes a key ring, so a stack that comes and goes uses dev's keys.
    'reseal:sourceKek': given('sourceKek', `${ring}/cryptoKeys/source`),
    'reseal:bigqueryKek': given('bigqueryKek', `${ring}/cryptoKeys/bigquery`),
    'reseal:cmek': 'none',
    'reseal:deletionProtection': false,
    'reseal:auditLogs': false,
    'reseal:schedule': mapping('schedule', { paused: true }),
    'reseal:labels': mapping('labels', { environment: name }),
  };
}

/** @throws ResealError `stack-name` for a name that is kept, production's, or does not fit */
export function checkName(name: string): string {
  if (STACK_NAME.test(name) && !KEPT.includes(name) && !isProduction(name)) return name;
  throw new ResealError('stack-name', `"${name}" cannot be the name of an ephemeral stack`, {
    hint: `use ${STACK_NAME_RULE}, and none of ${KEPT.join(', ')}: for example pr-123`,
  });
}

const fileOf = (name: string): string => join(PROJECT_FOLDER, `Pulumi.${name}.yaml`);

/**
 * The configuration that a stack has in this checkout; null without any. A file alone says nothing: that of a new stack
 * may hold the salt of its secrets, and nothing else yet.
 */
async function configured(workspace: LocalWorkspace, name: string): Promise<StackConfig | null> {
  return existsSync(fileOf(name)) ? ((await workspace.stackSettings(name)).config ?? null) : null;
}

/**
 * The ephemeral stack of a name, null where there is none.
 *
 * @throws ResealError `stack-name` where it is a stack of somebody's own
 */
async function existing(workspace: LocalWorkspace, name: string): Promise<Stack | null> {
  const here = await configured(workspace, name);
  if (here !== null && !(MARK in here))
    throw ofSomebodysOwn(name, `Pulumi.${name}.yaml has settings of its own`);
  const { Stack: Stacks, StackNotFoundError } = await import('@pulumi/pulumi/automation/index.js');
  const selecting = Stacks.select(name, workspace).catch((error: unknown) => {
    if (error instanceof StackNotFoundError) return null;
    throw error;
  });
  const stack = await explained(name, 'stack select', selecting);
  if (stack === null || here !== null) return stack;
  // Made from another checkout, or never updated: Pulumi has the configuration of the last update.
  const hadFile = existsSync(fileOf(name));
  const isNew = await workspace.refreshConfig(name).then(() => false, neverUpdated);
  const last = await configured(workspace, name);
  // Without an update, a file without settings is what `open` leaves where it is killed halfway.
  if (last === null ? hadFile && isNew : MARK in last) return stack;
  if (!hadFile) await rm(fileOf(name), { force: true });
  throw ofSomebodysOwn(name, 'there is a stack of that name, which `reseal stack` has not made');
}

/** https://github.com/pulumi/pulumi/blob/master/pkg/backend/backenderr, ErrNoPreviousDeployment */
const neverUpdated = (error: unknown): boolean => /no previous deployment/.test(String(error));

const ofSomebodysOwn = (name: string, found: string): ResealError =>
  new ResealError('stack-name', `"${name}" cannot be the name of an ephemeral stack: ${found}`, {
    hint: `take another name. Where its settings are dev's and all that it has may go, \`pulumi config set ${MARK} dev --stack ${name}\` says so`,
  });

/** Gives the stack that was found, or a new one, dev's present settings. */
async function withSettings(workspace: LocalWorkspace, name: string, found: Stack | null): Promise<Stack> {
  const { Stack: Stacks } = await import('@pulumi/pulumi/automation/index.js');
  const file = parse(await readFile(fileOf('dev'), 'utf8')) as {
    config?: StackConfig;
  };
  const config = ephemeralConfig(file.config ?? {}, name);
  const { plain, secrets } = apart(config);
  const values = secrets.length === 0 ? [] : await secretsOfDev(workspace, secrets);
  const stack = found ?? (await explained(name, 'stack init', Stacks.create(name, workspace)));
  // After the stack exists: its file may hold the salt of its secrets already.
  const settings = existsSync(fileOf(name)) ? await workspace.stackSettings(name) : {};
  await workspace.saveStackSettings(name, { ...settings, config: plain as Record<string, string> });
  for (const [key, value] of values) await setSecret(workspace, name, key, value);
  return stack;
}

/** What changed: Pulumi's counts by kind of change (create, update, same …), and the outputs after an update. */
export interface StackResult {
  changes: Record<string, number>;
  outputs: Record<string, unknown>;
}

type Say = (text: string) => void;

/**
 * Shows what `up` would change, and leaves nothing, however it ends. `say` gets what the CLI prints, as it prints it.
 *
 * @param signal tells Pulumi to end what it is at
 */
export async function preview(
  name: string,
  say: Say,
  signal = new AbortController().signal,
): Promise<StackResult> {
  const workspace = await openWorkspace();
  const found = await existing(workspace, checkName(name));
  const remove = async (): Promise<void> => {
    if (found !== null || !(await removeAll(workspace, name))) return;
    say(`stack ${name}, made for the preview, is removed again\n`);
  };
  let changes: StackResult['changes'];
  try {
    const stack = await withSettings(workspace, name, found);
    const previewed = stack.preview({ onOutput: say, signal });
    changes = (await explained(name, 'preview', previewed)).changeSummary;
  } catch (error) {
    // What went wrong first is the error; what is left has to be said all the same.
    if (!(await isTaken(error)))
      await remove().catch(({ message, hint }: ResealError) => say(`${message}; ${hint}\n`));
    throw error;
  }
  await remove();
  return { changes, outputs: {} };
}

/** Whether somebody else has made a stack of that name in the same moment. */
async function isTaken(error: unknown): Promise<boolean> {
  const { StackAlreadyExistsError } = await import('@pulumi/pulumi/automation/index.js');
  return error instanceof ResealError && error.cause instanceof StackAlreadyExistsError;
}

/** Removes a stack that the preview made and its file; false where there is none. */
async function removeAll(workspace: LocalWorkspace, name: string): Promise<boolean> {
  const { StackNotFoundError } = await import('@pulumi/pulumi/automation/index.js');
  const removing = workspace.removeStack(name).then(
    () => true,
    (error: unknown) => {
      if (error instanceof StackNotFoundError) return false;
      throw new ResealError(
        'pulumi',
        `stack ${name} may be left of the preview, since Pulumi did not remove it: ${firstLine(error)}`,
        { hint: `\`npm run reseal -- stack down ${name}\` removes it`, cause: error },
      );
    },
  );
  const isRemoved = await removing;
  await rm(fileOf(name), { force: true });
  return isRemoved;
}

/** Creates the stack or brings it up to date. */
export async function up(
  name: string,
  say: Say,
  signal = new AbortController().signal,
): Promise<StackResult> {
  const workspace = await openWorkspace();
  const stack = await withSettings(workspace, name, await existing(workspace, checkName(name)));
  const { summary, outputs } = await explained(name, 'up', stack.up({ onOutput: say, signal }));
  return {
    changes: summary.resourceChanges ?? {},
    outputs: Object.fromEntries(Object.entries(outputs).map(([key, { value }]) => [key, value as unknown])),
  };
}

/** Destroys everything that the stack created, then the stack and its file. */
export async function down(
  name: string,
  say: Say,
  signal = new AbortController().signal,
): Promise<StackResult> {
  const workspace = await openWorkspace();
  const stack = await existing(workspace, checkName(name));
  if (stack === null)
    throw new ResealError('stack-missing', `there is no stack ${name}`, {
      hint: 'there is nothing to take down; `pulumi stack ls` lists the stacks',
    });
  const { summary } = await explained(name, 'destroy', stack.destroy({ onOutput: say, signal }));
  await explained(name, 'stack rm', workspace.removeStack(name));
  return { changes: summary.resourceChanges ?? {}, outputs: {} };
}

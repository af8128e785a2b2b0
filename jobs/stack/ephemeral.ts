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
import { explained, openWorkspace, PROJECT_FOLDER } from './outputs.ts';

/**
 * Ephemeral stacks: a copy of dev for a branch, in dev's project, that shares nothing with dev but the keys
 * that its values are wrapped with.
 */

/** Configuration as it stands in a stack's file. */
export type StackConfig = Record<string, unknown>;

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
 */
export function ephemeralConfig(dev: StackConfig, name: string): StackConfig {
  const given = (setting: string, otherwise: string): string => String(dev[`reseal:${setting}`] ?? otherwise);
  const mapping = (setting: string, more: object): unknown => {
    const value = dev[`reseal:${setting}`] ?? {};
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

/** Selects the stack, or makes it, and gives it dev's present settings. */
async function open(name: string): Promise<{ readonly stack: Stack; readonly isNew: boolean }> {
  const { Stack: Stacks } = await import('@pulumi/pulumi/automation/index.js');
  const workspace = await openWorkspace();
  const found = await existing(workspace, name);
  const file = parse(await readFile(fileOf('dev'), 'utf8')) as {
    config?: StackConfig;
  };
  const config = ephemeralConfig(file.config ?? {}, name);
  const stack = found ?? (await explained(name, 'stack init', Stacks.create(name, workspace)));
  // After the stack exists: its file may hold the salt of its secrets already.
  const settings = existsSync(fileOf(name)) ? await workspace.stackSettings(name) : {};
  await workspace.saveStackSettings(name, { ...settings, config: config as Record<string, string> });
  return { stack, isNew: found === null };
}

/** What changed: Pulumi's counts by kind of change (create, update, same …), and the outputs after an update. */
export interface StackResult {
  changes: Record<string, number>;
  outputs: Record<string, unknown>;
}

type Say = (text: string) => void;

/** Shows what `up` would change, and leaves nothing. `say` gets what the CLI prints, as it prints it. */
export async function preview(name: string, say: Say): Promise<StackResult> {
  const { stack, isNew } = await open(checkName(name));
  try {
    const { changeSummary } = await explained(name, 'preview', stack.preview({ onOutput: say }));
    return { changes: changeSummary, outputs: {} };
  } finally {
    if (isNew) await stack.workspace.removeStack(name);
  }
}

/** Creates the stack or brings it up to date. */
export async function up(name: string, say: Say): Promise<StackResult> {
  const { stack } = await open(checkName(name));
  const { summary, outputs } = await explained(name, 'up', stack.up({ onOutput: say }));
  return {
    changes: summary.resourceChanges ?? {},
    outputs: Object.fromEntries(Object.entries(outputs).map(([key, { value }]) => [key, value as unknown])),
  };
}

/** Destroys everything that the stack created, then the stack and its file. */
export async function down(name: string, say: Say): Promise<StackResult> {
  const workspace = await openWorkspace();
  const stack = await existing(workspace, checkName(name));
  if (stack === null)
    throw new ResealError('stack-missing', `there is no stack ${name}`, {
      hint: 'there is nothing to take down; `pulumi stack ls` lists the stacks',
    });
  const { summary } = await explained(name, 'destroy', stack.destroy({ onOutput: say }));
  await explained(name, 'stack rm', workspace.removeStack(name));
  return { changes: summary.resourceChanges ?? {}, outputs: {} };
}

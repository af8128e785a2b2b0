import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { Component } from './component.ts';
import type { Settings } from './settings.ts';
import { userError } from './user-error.ts';

/** The files of the bundle and the suffix that Spark tells them by. */
const FILES = [
  { part: 'main', file: 'main.py' },
  { part: 'package', file: 'reseal.zip' },
  { part: 'wheels', file: 'wheels.zip' },
] as const;

type Part = (typeof FILES)[number]['part'];

export interface ApplicationArgs {
  bucket: pulumi.Output<string>;
  /** Folder with the bundle, relative to the project. */
  bundle: string;
}

/**
 * The built-in application in the bucket. Objects are named by their content, so an unchanged bundle changes nothing.
 * Those of an earlier version stay where they are: a run that is under way goes on with the version that it began
 * with, in its next waves and attempts, too.
 */
export class Application extends Component {
  /** gs:// URIs, as a batch takes them. */
  readonly uris: Record<Part, pulumi.Output<string>>;

  constructor(name: string, { bucket, bundle }: ApplicationArgs) {
    super('Application', name);
    const upload = ({ part, file }: (typeof FILES)[number]) => {
      const path = join(bundle, file);
      const digest = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16);
      const object = new gcp.storage.BucketObject(
        part,
        { bucket, name: `application/${digest}/${file}`, source: new pulumi.asset.FileAsset(path) },
        { ...this.child, retainOnDelete: true },
      );
      return [part, pulumi.interpolate`gs://${bucket}/${object.name}`] as const;
    };
    this.uris = Object.fromEntries(FILES.map(upload)) as typeof this.uris;
    this.registerOutputs({ uris: this.uris });
  }
}

/**
 * The built-in application, where the stack can have it. A jar of the user's own runs in its place. Without
 * the bundle a stack that allows the direct engine still works, so it is created with a warning. One that has the
 * batch alone fails, and so does one that starts batches by itself: nobody would see them missing.
 */
export function applicationOf(
  settings: Pick<Settings, 'jarFile' | 'engines' | 'bundle' | 'schedule' | 'composerDagBucket'>,
  bucket: pulumi.Output<string>,
): Application | undefined {
  if (settings.jarFile !== undefined || !settings.engines.includes('dataproc')) return undefined;
  const missing = FILES.map(({ file }) => join(settings.bundle, file)).filter((path) => !existsSync(path));
  if (missing.length === 0) return new Application('application', { bucket, bundle: settings.bundle });
  const message = `the batch application is not bundled (${missing.join(', ')} missing): run \`npm run bundle\`, then \`pulumi up\` again`;
  const unattended = !settings.schedule.paused || settings.composerDagBucket !== undefined;
  if (unattended || !settings.engines.includes('direct')) throw userError(message);
  // Not awaited: the engine shows it when it comes, and nothing depends on it.
  void pulumi.log.warn(`${message}; until then this stack runs the direct engine only, without a workflow`);
  return undefined;
}

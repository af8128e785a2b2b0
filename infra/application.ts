import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import type { Carriers } from '../jobs/contract/carriers.ts';
import { JOB_FILE } from '../jobs/contract/cloud-run.ts';
import { Component } from './component.ts';
import type { Settings } from './settings.ts';
import { userError } from './user-error.ts';

/** The files of the bundle that a batch runs, by what it takes each for; Spark tells them by their suffixes. */
const BATCH_FILES = { main: 'main.py', package: 'reseal.zip', wheels: 'wheels.zip' };

/** The one that the job of Cloud Run runs. */
const JOB_FILES = { job: JOB_FILE };

export type BatchApplication = Application<keyof typeof BATCH_FILES>;
export type JobApplication = Application<keyof typeof JOB_FILES>;

interface ApplicationArgs<Part extends string> {
  bucket: pulumi.Output<string>;
  /** Folder with the bundle, relative to the project. */
  bundle: string;
  files: Readonly<Record<Part, string>>;
}

/**
 * Files of the bundle in the bucket. Objects are named by their content, so an unchanged bundle changes nothing.
 * Those of an earlier version stay where they are: a batch, or an execution of the job, that is under way goes on with the
 * version that it began with.
 */
class Application<Part extends string> extends Component {
  /** Names of the objects in the bucket, and the SHA-256 of each in hex. */
  readonly objects: Record<Part, { readonly name: pulumi.Output<string>; readonly digest: string }>;
  /** gs:// URIs, as a batch takes them. */
  readonly uris: Record<Part, pulumi.Output<string>>;

  constructor(name: string, { bucket, bundle, files }: ApplicationArgs<Part>) {
    super('Application', name);
    const upload = (part: string, file: string) => {
      const path = join(bundle, file);
      const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
      const { name } = new gcp.storage.BucketObject(
        part,
        {
          bucket,
          name: `application/${digest.slice(0, 16)}/${file}`,
          source: new pulumi.asset.FileAsset(path),
        },
        { ...this.child, retainOnDelete: true },
      );
      return { name, digest };
    };
    const uploaded = Object.entries<string>(files).map(([part, file]) => [part, upload(part, file)] as const);
    this.objects = Object.fromEntries(uploaded) as typeof this.objects;
    this.uris = Object.fromEntries(
      uploaded.map(([part, object]) => [part, pulumi.interpolate`gs://${bucket}/${object.name}`]),
    ) as typeof this.uris;
    this.registerOutputs({ uris: this.uris });
  }
}

type BundleArgs = Carriers &
  Pick<Settings, 'jarFile' | 'engines' | 'bundle' | 'schedule' | 'composerDagBucket'>;

/**
 * What batches run, where the stack can have it. A jar of the user's own runs in its place. A stack that has the batch
 * alone fails without the bundle.
 */
export function batchApplication(
  args: BundleArgs,
  bucket: pulumi.Output<string>,
): BatchApplication | undefined {
  if (!args.batches || args.jarFile !== undefined) return undefined;
  const alone = args.engines.every((engine) => engine === 'dataproc');
  return bundled('application', BATCH_FILES, args, bucket, { alone, without: 'this stack has no batches' });
}

/** What the job of Cloud Run runs. Without it runs inside BigQuery are still started by hand. */
export function jobApplication(args: BundleArgs, bucket: pulumi.Output<string>): JobApplication | undefined {
  if (!args.job) return undefined;
  const without = 'the workflow has no run done inside BigQuery';
  return bundled('job-application', JOB_FILES, args, bucket, { alone: false, without });
}

/**
 * Files of the bundle, where they are all there. Otherwise the stack comes up without them, and with a warning. One that
 * starts runs by itself fails, as nobody would see them missing, and so does one that can do nothing without.
 */
function bundled<Part extends string>(
  name: string,
  files: Readonly<Record<Part, string>>,
  { bundle, schedule, composerDagBucket }: BundleArgs,
  bucket: pulumi.Output<string>,
  { alone, without }: { alone: boolean; without: string },
): Application<Part> | undefined {
  const missing = Object.values<string>(files)
    .map((file) => join(bundle, file))
    .filter((path) => !existsSync(path));
  if (missing.length === 0) return new Application(name, { bucket, bundle, files });
  const message = `the bundle is not whole (${missing.join(', ')} missing): run \`npm run bundle\`, then \`pulumi up\` again`;
  const unattended = !schedule.paused || composerDagBucket !== undefined;
  if (unattended || alone) throw userError(message);
  // Not awaited: the engine shows it when it comes, and nothing depends on it.
  void pulumi.log.warn(`${message}; until then ${without}`);
  return undefined;
}

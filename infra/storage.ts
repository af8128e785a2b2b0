import * as gcp from '@pulumi/gcp';
import type * as pulumi from '@pulumi/pulumi';
import { Component, type StackArgs } from './component.ts';

export interface StorageArgs extends StackArgs {
  location: string;
  /** Name of the bucket to create. */
  bucket: string;
  /** Folder for temporary files, the only one that the lifecycle empties. */
  tempFolder: string;
  tempLifecycleDays: number;
  /** Days that deleted objects are kept; 0 keeps none. */
  softDeleteDays: number;
  /** CryptoKey for objects at rest; Google's own without one. */
  kmsKey?: pulumi.Output<string> | undefined;
  /** Refuse to destroy the bucket, or to empty it for that. */
  deletionProtection: boolean;
}

const DAY_SECONDS = 86_400;
const DRIVER_OUTPUT_DAYS = 30;

/** The bucket of the batches: the application, and the files on their way into the staging table. */
export class Storage extends Component {
  readonly bucket: pulumi.Output<string>;

  constructor(name: string, args: StorageArgs) {
    super('Storage', name);
    const bucket = new gcp.storage.Bucket(
      'bucket',
      {
        project: args.project,
        name: args.bucket,
        // The API answers in capitals; writing them keeps the next preview empty.
        location: args.location.toUpperCase(),
        storageClass: 'STANDARD',
        uniformBucketLevelAccess: true,
        publicAccessPrevention: 'enforced',
        softDeletePolicy: { retentionDurationSeconds: args.softDeleteDays * DAY_SECONDS },
        lifecycleRules: [
          {
            action: { type: 'Delete' },
            condition: { age: args.tempLifecycleDays, matchesPrefixes: [`${args.tempFolder}/`] },
          },
          // What the drivers printed: progress and counts.
          {
            action: { type: 'Delete' },
            condition: { age: DRIVER_OUTPUT_DAYS, matchesPrefixes: ['google-cloud-dataproc-metainfo/'] },
          },
          // A batch that dies in the middle of an upload leaves parts that no listing shows.
          { action: { type: 'AbortIncompleteMultipartUpload' }, condition: { age: 1 } },
        ],
        ...(args.kmsKey && { encryption: { defaultKmsKeyName: args.kmsKey } }),
        forceDestroy: !args.deletionProtection,
        labels: args.labels,
      },
      this.guarded(args.deletionProtection),
    );
    this.bucket = bucket.name;
    this.registerOutputs({ bucket: this.bucket });
  }
}

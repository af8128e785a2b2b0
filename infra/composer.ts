import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { Component } from './component.ts';

/** The DAG's name in the environment; its parameters stand beside it as JSON. */
const DAG = 'trigger_serverless_batch_dataproc';

export interface ComposerArgs {
  /** The environment's bucket. */
  composerDagBucket: string;
  /** Full name of the workflow that the DAG starts. */
  workflow: pulumi.Output<string>;
}

/** The DAG for those who keep Cloud Composer: it starts the workflow every day and waits for it. */
export class Composer extends Component {
  constructor(name: string, { composerDagBucket: bucket, workflow }: ComposerArgs) {
    super('Composer', name);
    // The parameters come first: Composer runs a DAG as soon as it sees one.
    const parameters = new gcp.storage.BucketObject(
      'dag-parameters',
      {
        bucket,
        name: `dags/${DAG}.json`,
        contentType: 'application/json',
        content: workflow.apply((full) => JSON.stringify({ workflow: full })),
      },
      this.child,
    );
    new gcp.storage.BucketObject(
      'dag',
      {
        bucket,
        name: `dags/${DAG}.py`,
        contentType: 'text/x-python',
        source: new pulumi.asset.FileAsset(`jobs/composer/${DAG}.py`),
      },
      { ...this.child, dependsOn: parameters },
    );
    this.registerOutputs({});
  }
}

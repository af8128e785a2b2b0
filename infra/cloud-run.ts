import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import {
  cloudRunJobId,
  DEPLOYMENT_VARIABLE,
  jobCommand,
  jobImage,
  MOUNT,
  TASK,
} from '../jobs/contract/cloud-run.ts';
import { type Deployment, parseDeployment } from '../jobs/contract/deployment.ts';
import type { JobApplication } from './application.ts';
import { Component, type StackArgs } from './component.ts';
import type { Outputs } from './outputs.ts';

export interface CloudRunArgs extends StackArgs {
  location: string;
  /** The stack's bucket, and the object in it that the job runs. */
  bucket: pulumi.Input<string>;
  object: JobApplication['objects']['job'];
  /** E-mail of the service account that it runs as. */
  serviceAccount: pulumi.Input<string>;
  /** An image of one's own in place of Google's. */
  jobImage?: string | undefined;
  /** What the job is to know of the stack. */
  outputs: Outputs<Omit<Deployment, 'workflow' | 'cloudRunJob'>>;
  deletionProtection: boolean;
}

/** The volume's name, which the container's mount refers to. */
const VOLUME = 'bucket';

/** https://cloud.google.com/run/docs/reference/rest/v2/Container#envvar */
const MAX_VARIABLE_CHARACTERS = 32_768;

/** The job that has a run done inside BigQuery for the workflow: https://cloud.google.com/run/docs/create-jobs */
export class CloudRun extends Component {
  /** Its id within project and region. */
  readonly id: pulumi.Output<string>;
  /** projects/…/locations/…/jobs/… */
  readonly job: pulumi.Output<string>;

  constructor(name: string, args: CloudRunArgs) {
    super('CloudRun', name);
    const container = {
      image: args.jobImage ?? jobImage(args.location),
      commands: pulumi.output(args.object.name).apply((name) => jobCommand(name, args.object.digest)),
      envs: [{ name: DEPLOYMENT_VARIABLE, value: deploymentVariable(args.outputs) }],
      resources: { limits: { cpu: TASK.cpu, memory: TASK.memory } },
      volumeMounts: [{ name: VOLUME, mountPath: MOUNT }],
    };
    this.id = new gcp.cloudrunv2.Job(
      'job',
      {
        project: args.project,
        location: args.location,
        name: cloudRunJobId(args.stack),
        template: {
          taskCount: 1,
          parallelism: 1,
          template: {
            serviceAccount: args.serviceAccount,
            // The workflow judges a failure by its code, and starts the execution that follows.
            maxRetries: 0,
            timeout: `${TASK.timeoutSeconds}s`,
            containers: [container],
            volumes: [{ name: VOLUME, gcs: { bucket: args.bucket, readOnly: true } }],
          },
        },
        deletionProtection: args.deletionProtection,
        labels: args.labels,
      },
      this.guarded(args.deletionProtection),
    ).name;
    this.job = pulumi.interpolate`projects/${args.project}/locations/${args.location}/jobs/${this.id}`;
    this.registerOutputs({ job: this.job });
  }
}

/** The stack's outputs as the job reads them: it starts neither the workflow nor itself. */
function deploymentVariable(outputs: CloudRunArgs['outputs']): pulumi.Output<string> {
  return pulumi.output({ ...outputs, workflow: null, cloudRunJob: null }).apply((all) => {
    const text = JSON.stringify(parseDeployment(all));
    if (text.length > MAX_VARIABLE_CHARACTERS)
      throw new RangeError(
        `the deployment has ${text.length} characters; Cloud Run takes ${MAX_VARIABLE_CHARACTERS}: name fewer fields`,
      );
    return text;
  });
}

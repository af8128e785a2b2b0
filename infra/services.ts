import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { Component } from './component.ts';

const ALWAYS = ['bigquery', 'cloudkms', 'iam', 'storage'];

/** What a batch and the workflow that starts it need. */
const FOR_BATCHES = [
  'bigquerystorage',
  'cloudscheduler',
  'compute',
  'dataproc',
  'logging',
  'monitoring',
  'workflowexecutions',
  'workflows',
];

export interface ServicesArgs {
  project: string;
}

/** The Google APIs that the stack uses. They stay on when the stack goes: others may use them too. */
export class Services extends Component {
  /** The project, once its APIs are on. */
  readonly project: pulumi.Output<string>;

  constructor(name: string, { project }: ServicesArgs) {
    super('Services', name);
    const enabled = [...ALWAYS, ...FOR_BATCHES].map(
      (api) =>
        new gcp.projects.Service(
          api,
          { project, service: `${api}.googleapis.com`, disableOnDestroy: false },
          this.child,
        ),
    );
    this.project = pulumi.all(enabled.map((one) => one.project)).apply(() => project);
    this.registerOutputs({ project: this.project });
  }
}

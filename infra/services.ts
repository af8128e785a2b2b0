import { setTimeout as sleep } from 'node:timers/promises';
import * as gcp from '@pulumi/gcp';
import * as pulumi from '@pulumi/pulumi';
import { apisOf, FIRST_API } from '../jobs/contract/apis.ts';
import type { Carriers } from '../jobs/contract/carriers.ts';
import { Component } from './component.ts';

/**
 * An API answers a while after Google says that it is on.
 * https://cloud.google.com/service-usage/docs/enable-disable
 */
const ACTIVATION_SECONDS = 60;

/** What carries out runs brings APIs of its own, and those of what starts it. */
export interface ServicesArgs extends Carriers {
  project: string;
  /** Policy tags are Data Catalog's. */
  columnPolicyTag?: string | undefined;
}

/** The Google APIs that the stack uses. They stay on when the stack goes: others may use them too. */
export class Services extends Component {
  /** The project, once its APIs are on. */
  readonly project: pulumi.Output<string>;

  constructor(name: string, { project, batches, job, columnPolicyTag }: ServicesArgs) {
    super('Services', name);
    // Runs once an API has just been turned on, and never in an update that finds it on.
    const activated = new pulumi.ResourceHook('api-activation', () => sleep(ACTIVATION_SECONDS * 1000));
    const enable = (api: string, dependsOn: pulumi.Resource[]) =>
      new gcp.projects.Service(
        api,
        { project, service: `${api}.googleapis.com`, disableOnDestroy: false },
        { ...this.child, dependsOn, hooks: { afterCreate: [activated] } },
      );
    const first = enable(FIRST_API, []);
    const wanted = [...apisOf({ batches, job }), ...(columnPolicyTag === undefined ? [] : ['datacatalog'])];
    const enabled = wanted.map((api) => enable(api, [first]));
    const ready = enabled.map((one) => one.project);
    if (batches || job) {
      // The agent that gets the workflow's tokens is made when it is first asked for, which may be too late for
      // the first deployment: https://cloud.google.com/workflows/docs/authentication
      const identity = new gcp.projects.ServiceIdentity(
        'workflows-identity',
        { project, service: 'workflows.googleapis.com' },
        { ...this.child, dependsOn: enabled },
      );
      ready.push(identity.project);
    }
    this.project = pulumi.all(ready).apply(() => project);
    this.registerOutputs({ project: this.project });
  }
}

import * as pulumi from '@pulumi/pulumi';

/** What every component needs of its stack. */
export interface StackArgs {
  /**
   * The project, as services.ts gives it out: whoever takes it from there waits for the project's APIs.
   */
  project: pulumi.Input<string>;
  /** The stack's name; part of every name that is global to the project. */
  stack: string;
  labels: Record<string, string>;
}

/** A part of the stack: children belong to it, so that previews and states show the stack by its parts. */
export abstract class Component extends pulumi.ComponentResource {
  protected readonly child: pulumi.CustomResourceOptions = { parent: this };

  protected constructor(kind: string, name: string) {
    super(`reseal:infra:${kind}`, name);
  }

  /** For what would take data along: the engine refuses to destroy it while the stack is protected. */
  protected guarded(protect: boolean): pulumi.CustomResourceOptions {
    return { ...this.child, protect };
  }

  /**
   * The same for keys and who may use them at rest: Pulumi never deletes them, be it that the program has them no
   * longer or that the stack is destroyed. Deleting a CryptoKey destroys its versions, and with them all that they wrap.
   * https://www.pulumi.com/docs/iac/concepts/resources/options/retainondelete/
   */
  protected kept(protect: boolean): pulumi.CustomResourceOptions {
    return { ...this.guarded(protect), retainOnDelete: true };
  }
}

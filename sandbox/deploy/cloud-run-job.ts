type Inputs = Readonly<Record<string, unknown>>;

/** The properties of a container that the provider names otherwise than REST. */
const RENAMED: Readonly<Record<string, string>> = { commands: 'command', envs: 'env' };
/** What the provider keeps to itself, or puts into the path. */
const LEFT_OUT = ['deletionProtection', 'location', 'name', 'project'];

/**
 * The body of a Cloud Run job, from the inputs of the provider's resource.
 * https://www.pulumi.com/registry/packages/gcp/api-docs/cloudrunv2/job
 */
export function cloudRunJobBody(inputs: Inputs): Inputs {
  const { template: execution = {}, ...rest } = without(inputs);
  const { template: task = {}, ...others } = execution as { template?: Inputs };
  const containers = ((task as Inputs).containers ?? []) as Inputs[];
  return { ...rest, template: { ...others, template: { ...task, containers: containers.map(container) } } };
}

const without = (inputs: Inputs): Inputs =>
  Object.fromEntries(Object.entries(inputs).filter(([name]) => !LEFT_OUT.includes(name)));

const container = (inputs: Inputs): Inputs =>
  Object.fromEntries(Object.entries(inputs).map(([name, value]) => [RENAMED[name] ?? name, value]));

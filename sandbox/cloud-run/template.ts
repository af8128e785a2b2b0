import { posix } from 'node:path';
import { GoogleError } from '../errors/google-error.ts';
import { type Json, objectOr, required, text } from '../http/router.ts';

/** What the task of an execution does. */
export interface Task {
  readonly image: string;
  /** What Node is started with before `args`; one of it is the path of `file`. */
  readonly command: readonly string[];
  /** The program: a file below a mounted bucket. */
  readonly file: {
    readonly path: string;
    readonly volume: string;
    readonly bucket: string;
    readonly object: string;
  };
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The e-mail address of the account that it runs as. */
  readonly account: string;
  readonly timeoutSeconds: number;
  /** How often it is tried again. */
  readonly retries: number;
}

/** https://cloud.google.com/run/docs/reference/rest/v2/TaskTemplate */
const DEFAULTS = {
  serviceAccount: 'compute@developer.gserviceaccount.com',
  timeout: '600s',
  maxRetries: 3,
};

/** https://cloud.google.com/run/docs/reference/rest/v2/Container#envvar */
const MOST_OF_A_VARIABLE = 32_768;

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.map(objectOr) : []);
const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
const missing = (what: string): GoogleError =>
  new GoogleError('UNIMPLEMENTED', `The sandbox has no ${what} for jobs of Cloud Run.`);

/** The template of a job as it is kept, with what Google fills in. @throws GoogleError for what the sandbox lacks */
export function templateOf(job: Json): Json {
  const template = objectOr(job.template);
  if ((template.taskCount ?? 1) !== 1) throw missing('more tasks than one');
  const filled = { ...template, taskCount: 1, template: { ...DEFAULTS, ...objectOr(template.template) } };
  taskOf(filled.template);
  return filled;
}

/**
 * The template of one execution's task: what overrides name is replaced, variables are added.
 * https://cloud.google.com/run/docs/execute/jobs#override-job-configuration
 */
export function overridden(job: Json, overrides: Json): Json {
  const task = objectOr(objectOr(job.template).template);
  if ((overrides.taskCount ?? 1) !== 1) throw missing('more tasks than one');
  const [container = {}] = listOf(task.containers);
  const [given = {}, ...others] = listOf(overrides.containerOverrides);
  if (others.length > 0) throw missing('second container');
  const args = given.clearArgs === true ? [] : (given.args ?? container.args ?? []);
  const env = [...listOf(container.env), ...listOf(given.env)];
  const timeout = overrides.timeout ?? task.timeout;
  return { ...task, timeout, containers: [{ ...container, args, env }] };
}

/** Reads the template of a task. @throws GoogleError for what is missing, or what the sandbox lacks */
export function taskOf(template: Json): Task {
  const [container, ...others] = listOf(template.containers);
  if (container === undefined)
    throw new GoogleError('INVALID_ARGUMENT', 'template.containers: exactly one container is required.');
  if (others.length > 0) throw missing('second container');
  return {
    image: required(container.image, 'template.containers[0].image'),
    command: textsOf(container.command).slice(1),
    file: fileOf(container, listOf(template.volumes)),
    args: textsOf(container.args),
    env: Object.fromEntries(listOf(container.env).map(variable)),
    account: text(template.serviceAccount) ?? DEFAULTS.serviceAccount,
    timeoutSeconds: Number((text(template.timeout) ?? DEFAULTS.timeout).replace(/s$/, '')),
    retries: Number(template.maxRetries ?? DEFAULTS.maxRetries),
  };
}

function variable({ name, value, valueSource }: Json): [string, string] {
  if (valueSource !== undefined) throw missing('variable with a secret');
  const content = text(value) ?? '';
  if (Buffer.byteLength(content) > MOST_OF_A_VARIABLE)
    throw new GoogleError(
      'INVALID_ARGUMENT',
      `The value of ${name} has more than ${MOST_OF_A_VARIABLE} bytes.`,
    );
  return [required(name, 'env.name'), content];
}

/** The file that Node is to run, and the object that it is. */
function fileOf(container: Json, volumes: readonly Json[]): Task['file'] {
  const [program, ...command] = textsOf(container.command);
  if (program !== 'node') throw missing('command but Node');
  for (const { name, mountPath } of listOf(container.volumeMounts)) {
    const folder = `${String(mountPath).replace(/\/$/, '')}/`;
    const path = command.find((one) => one.startsWith(folder));
    if (path === undefined) continue;
    if (path !== posix.normalize(path)) throw missing('path with dots in it');
    const { gcs } = volumes.find((volume) => volume.name === name) ?? {};
    const { bucket, readOnly } = objectOr(gcs);
    if (readOnly !== true) throw missing('volume but a bucket that is mounted read-only');
    return {
      path,
      volume: String(name),
      bucket: required(bucket, 'gcs.bucket'),
      object: path.slice(folder.length),
    };
  }
  throw missing('file outside of a volume');
}

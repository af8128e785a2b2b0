import { methodOf } from '../discovery/documents.ts';
import { GoogleError } from '../errors/google-error.ts';
import type { Call, Route } from '../http/router.ts';

/** On in every project, for without them nothing could be turned on. */
const ALWAYS = ['serviceusage.googleapis.com'];
/** The provider looks the project up there before it turns anything on. */
const PROJECT_API = 'cloudresourcemanager.googleapis.com';

/** Which of Google's APIs are on in the project. */
export class Apis {
  /** Undefined where all are. */
  readonly #on: Set<string> | undefined;
  /** Turned off since. */
  readonly #off = new Set<string>();

  constructor(off: boolean) {
    this.#on = off ? new Set(ALWAYS) : undefined;
  }

  /** @throws GoogleError PERMISSION_DENIED where a project's APIs cannot be turned on yet */
  enable(api: string, project: string): void {
    if (api !== PROJECT_API) this.#require(PROJECT_API, project);
    this.#on?.add(api);
    this.#off.delete(api);
  }

  /** Whether an API is on. */
  has(api: string): boolean {
    return (this.#on?.has(api) ?? true) && !this.#off.has(api);
  }

  /** What a fault of no service is: somebody turned an API off. docs/sandbox.md */
  disable(api: string): void {
    this.#off.add(api);
  }

  /** @throws GoogleError PERMISSION_DENIED for a method of an API that is off */
  admit({ method, path }: Pick<Route, 'method' | 'path'>, { params }: Pick<Call, 'params'>): void {
    const id = methodOf(method, path)?.method.id;
    if (id !== undefined) this.#require(`${id.split('.')[0]}.googleapis.com`, params.project ?? '');
  }

  /** https://cloud.google.com/service-usage/docs/troubleshooting */
  #require(api: string, project: string): void {
    if (this.has(api)) return;
    throw new GoogleError(
      'PERMISSION_DENIED',
      `${api} has not been used in project ${project} before or it is disabled. Enable it, then retry.`,
      { reason: 'accessNotConfigured' },
    );
  }
}

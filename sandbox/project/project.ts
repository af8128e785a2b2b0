import { GoogleError } from '../errors/google-error.ts';
import type { Json } from '../http/router.ts';
import { Apis } from './apis.ts';

const OWN_ACCOUNT = /^([^@]+@([^.]+)\.iam\.gserviceaccount\.com)$/;

/**
 * What of a project is neither data nor key: its APIs, its service accounts, and resources that only have to be
 * there. Kept in memory.
 */
export class Project {
  readonly apis: Apis;
  /** Resources by their full names. */
  readonly #kept = new Map<string, Json>();

  /** `bare`: as Google hands a project over, without an API that is on. */
  constructor(bare: boolean) {
    this.apis = new Apis(bare);
  }

  /** @throws GoogleError ALREADY_EXISTS */
  keep(name: string, body: Json): Json {
    if (this.#kept.has(name)) throw new GoogleError('ALREADY_EXISTS', `Resource '${name}' already exists.`);
    this.#kept.set(name, body);
    return body;
  }

  /** @throws GoogleError NOT_FOUND */
  find(name: string): Json {
    const found = this.#kept.get(name);
    if (found === undefined) throw new GoogleError('NOT_FOUND', `Resource '${name}' was not found.`);
    return found;
  }

  has(name: string): boolean {
    return this.#kept.has(name);
  }

  /**
   * A service account of a project's own has to be there before it is named anywhere; groups, people and Google's
   * agents are not this project's to make. @throws GoogleError INVALID_ARGUMENT
   */
  member(member: string, project: string): void {
    const [, email, home] = OWN_ACCOUNT.exec(member.replace(/^serviceAccount:/, '')) ?? [];
    if (email === undefined || home !== project) return;
    if (!this.has(accountName(project, email)))
      throw new GoogleError('INVALID_ARGUMENT', `Service account ${email} does not exist.`);
  }
}

export const accountName = (project: string, email: string): string =>
  `projects/${project}/serviceAccounts/${email}`;
/** The agent that gets tokens for a service's own work. */
export const agentName = (project: string, service: string): string =>
  `projects/${project}/services/${service}/identity`;

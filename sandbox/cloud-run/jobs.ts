import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GoogleError } from '../errors/google-error.ts';
import type { Json } from '../http/router.ts';
import { emailOf } from '../iam/resources.ts';
import { readJsonFile, writeAtomically } from '../state/files.ts';
import { templateOf } from './template.ts';

/** A job as the API shows it. https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs */
export interface Job extends Json {
  readonly name: string;
  readonly uid: string;
  readonly createTime: string;
  readonly generation: string;
  readonly template: Json;
}

/** The jobs of a sandbox, by their full names. */
export class Jobs {
  readonly #file: string;
  readonly #jobs: Map<string, Job>;

  constructor(state: string) {
    this.#file = join(state, 'cloud-run', 'jobs.json');
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    const kept = (readJsonFile(this.#file) ?? []) as Job[];
    this.#jobs = new Map(kept.map((job) => [job.name, job]));
  }

  /** @throws GoogleError NOT_FOUND */
  get(name: string): Job {
    const job = this.#jobs.get(name);
    if (job === undefined)
      throw new GoogleError('NOT_FOUND', `Resource '${name}' of kind 'JOB' does not exist.`);
    return job;
  }

  /** @throws GoogleError ALREADY_EXISTS, or for a template that the sandbox cannot run */
  create(name: string, body: Json, member: string): Job {
    if (this.#jobs.has(name))
      throw new GoogleError('ALREADY_EXISTS', `Resource '${name}' of kind 'JOB' already exists.`);
    const creator = emailOf(member);
    return this.#keep(
      { uid: randomUUID(), creator, createTime: new Date().toISOString() },
      name,
      body,
      1,
      creator,
    );
  }

  /** Another template, and all else that the body has, in the place of those before. @throws GoogleError */
  replace(name: string, body: Json, member: string): Job {
    const { uid, creator, createTime, generation } = this.get(name);
    return this.#keep({ uid, creator, createTime }, name, body, Number(generation) + 1, emailOf(member));
  }

  delete(name: string): Job {
    const job = this.get(name);
    this.#jobs.delete(name);
    this.#save();
    return job;
  }

  #keep(
    born: Pick<Job, 'uid' | 'createTime'> & Json,
    name: string,
    body: Json,
    generation: number,
    lastModifier: string,
  ): Job {
    const updateTime = new Date().toISOString();
    const ready = { type: 'Ready', state: 'CONDITION_SUCCEEDED', lastTransitionTime: updateTime };
    const job: Job = {
      launchStage: 'GA',
      ...body,
      ...born,
      name,
      generation: String(generation),
      observedGeneration: String(generation),
      updateTime,
      lastModifier,
      template: templateOf(body),
      terminalCondition: ready,
    };
    this.#jobs.set(name, job);
    this.#save();
    return job;
  }

  #save(): void {
    writeAtomically(this.#file, JSON.stringify([...this.#jobs.values()]));
  }
}

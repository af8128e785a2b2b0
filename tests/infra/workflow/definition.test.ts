import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { workflowSource } from '../../../infra/workflow/source.ts';
import { expression, reasonOf, unmarked } from '../../../infra/workflow/steps.ts';
import type { Deployment } from '../../../jobs/contract/deployment.ts';
import type { Field } from '../../../jobs/contract/fields.ts';
import { statements } from '../../../jobs/contract/sql/index.ts';
import { workflowEngines } from '../../../jobs/contract/workflow-engines.ts';
import { aDeployment, EMAIL, PHONE } from '../../support/deployment.ts';
import {
  bodies,
  type Definition,
  expressions,
  HELPERS,
  identifiers,
  LIBRARIES,
  scopes,
  stepLists,
} from '../../support/workflow/definition.ts';

/** What Workflows checks when a definition is deployed, and the emulator does not. */
const many = (count: number): Field[] =>
  Array.from({ length: count }, (_, at) => {
    const name = `a_rather_long_name_of_a_field_${at}`;
    const column = (prefix: string) => `${prefix}_${name}`;
    return {
      name,
      cipherText: column('cipher_text'),
      dek: column('dek'),
      plaintext: column('decrypted'),
      key: column('bq_encryption_key'),
      sealed: column('bq_encrypted'),
      resealedAt: column('resealed_at'),
      resealedFrom: column('resealed_from'),
      valuePattern: null,
    };
  });

const JOB = 'projects/a-project/locations/us-central1/jobs/reseal-test';

const stacks: [string, Partial<Deployment>][] = [
  ['one field', {}],
  ['five fields, shared keying, plaintext kept', { fields: many(5), keying: 'shared', storePlaintext: true }],
  ['five fields, deterministic keying', { fields: many(5), keying: 'deterministic' }],
  ['columns with reserved names, a row limit', { fields: [EMAIL, PHONE], readLimitRows: 1000 }],
  [
    'runs inside BigQuery beside batches, five fields',
    { fields: many(5), keying: 'shared', engines: ['dataproc', 'bigquery'], cloudRunJob: JOB },
  ],
  [
    'runs inside BigQuery alone, five fields',
    {
      fields: many(5),
      engines: ['bigquery'],
      cloudRunJob: JOB,
      batch: { ...aDeployment().batch, application: null, serviceAccount: null, subnetwork: null },
    },
  ],
  ['a jar', { batch: { ...aDeployment().batch, jarFile: 'gs://a-bucket/a.jar', mainClass: 'a.Main' } }],
];

/** https://cloud.google.com/workflows/quotas#resource_limit */
const LIMITS = { source: 128 * 1024, expression: 400, assignments: 50, conditions: 50 };

describe.each(stacks)('the workflow for %s', (_name, given) => {
  const source = workflowSource(aDeployment(given));
  const definition = parse(source) as Definition;
  const subworkflows = Object.entries(definition);

  it("keeps Workflows' limits", () => {
    expect(Buffer.byteLength(source)).toBeLessThan(LIMITS.source);
    for (const text of expressions(definition)) expect(text.length).toBeLessThanOrEqual(LIMITS.expression);
    for (const body of bodies(definition)) {
      expect((body.assign ?? []).length).toBeLessThanOrEqual(LIMITS.assignments);
      expect((body.switch ?? []).length).toBeLessThanOrEqual(LIMITS.conditions);
    }
  });

  it('reads the same by YAML 1.1, which has more words for true and false', () => {
    expect(parse(source, { version: '1.1' })).toEqual(definition);
  });

  it.each(subworkflows)('%s names each step once, and jumps to steps beside the jump', (_step, body) => {
    const lists = stepLists(body);
    const names = lists.flatMap((list) => list.steps.map(([name]) => name));
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
    for (const { steps, loop } of lists) {
      const here = [...steps.map(([name]) => name), 'end', ...(loop ? ['continue', 'break'] : [])];
      for (const [, step] of steps)
        for (const next of [step.next, ...(step.switch ?? []).map((one) => one.next)])
          if (next !== undefined) expect(here).toContain(next);
    }
  });

  it.each(subworkflows)('%s calls what there is, with the parameters that it has', (_step, body) => {
    for (const { steps } of stepLists(body))
      for (const [, { call, args }] of steps) {
        if (call === undefined) continue;
        const [library] = call.split('.');
        if (call.includes('.')) expect(LIBRARIES).toContain(library);
        else expect(Object.keys(args ?? {}).sort()).toEqual([...(definition[call]?.params ?? [])].sort());
      }
  });

  it.each(subworkflows)('%s uses variables where they are, under names of their own', (_step, body) => {
    const taken = [...LIBRARIES, ...HELPERS, ...Object.keys(definition)];
    for (const { visible, own, texts } of scopes(body)) {
      expect(own.filter((name) => taken.includes(name))).toEqual([]);
      for (const text of texts)
        for (const name of identifiers(text)) expect([...visible, ...taken], text).toContain(name);
    }
  });

  it('asks no service that could answer with a data key, since Workflows stores every answer', () => {
    const hosts = [...source.matchAll(/https?:\/\/([^/"]+)/g)].map(([, host]) => host);
    const engines = workflowEngines(aDeployment(given));
    const services = [
      'bigquery',
      // The job keeps to itself what Cloud KMS answers it.
      ...(engines.includes('bigquery') ? ['run'] : []),
      ...(engines.includes('dataproc') ? ['storage', 'us-central1-dataproc'] : []),
    ];
    expect([...new Set(hosts)].sort()).toEqual(services.map((service) => `${service}.googleapis.com`));
    const calls = new Set(bodies(definition).map(({ call }) => call?.split('.')[0]));
    expect([...calls]).not.toContain('googleapis');
  });

  it('carries the statements as they are, and nothing in them that Workflows would evaluate', () => {
    const all: Record<string, { name: string; sql: string; params: object }> = statements(aDeployment(given));
    const known = new Map(Object.values(all).map((one) => [one.name, one]));
    const queries = subworkflows
      .flatMap(([, body]) => stepLists(body))
      .flatMap(({ steps }) => steps)
      .filter(([, { call }]) => call === 'query');
    expect(queries.length).toBeGreaterThan(10);
    for (const [, { args }] of queries) {
      const { statement, sql, parameters } = args as {
        statement: string;
        sql: string;
        parameters: { name: string }[];
      };
      expect(sql).toBe(known.get(statement)?.sql);
      expect(sql).not.toContain('${');
      expect(parameters.map(({ name }) => name)).toEqual(Object.keys(known.get(statement)?.params ?? {}));
    }
  });
});

describe('the parts of a definition', () => {
  it('refuse an expression that is too long', () => {
    expect(expression('a'.repeat(397))).toHaveLength(400);
    expect(() => expression('a'.repeat(398))).toThrow(RangeError);
  });

  it('put texts together from variables', () => {
    expect(unmarked({ a: ['plain', '--id=\u0000run_id\u0000', '\u0000x\u0000-\u0000y\u0000'] })).toEqual({
      // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of Workflows
      a: ['plain', '${"--id=" + run_id}', '${x + "-" + y}'],
    });
  });

  it('prefix the names of steps that a subworkflow has twice', () => {
    const names = (step: string) => reasonOf('e', step).flatMap((one) => Object.keys(one));
    expect(names('first').filter((name) => names('second').includes(name))).toEqual([]);
  });

  it('refuse a stack whose definition would be too large', () => {
    expect(() => workflowSource(aDeployment({ fields: many(60) }))).toThrow('name fewer fields');
  });
});

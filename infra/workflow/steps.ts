import type { Statement } from '../../jobs/contract/sql/index.ts';

/**
 * The parts of a Cloud Workflows definition that this one is made of.
 * https://cloud.google.com/workflows/docs/reference/syntax
 */
export type Body = Readonly<Record<string, unknown>>;
/** A step is a map of one name to one body. */
export type Step = Readonly<Record<string, Body>>;
export interface Subworkflow {
  readonly params?: readonly string[];
  readonly steps: readonly Step[];
}

/** https://cloud.google.com/workflows/quotas#resource_limit */
const MAX_EXPRESSION = 400;

/** An expression. Throws RangeError for one that is longer than Workflows takes. */
export function expression(text: string): string {
  const whole = `\${${text}}`;
  if (whole.length > MAX_EXPRESSION) throw new RangeError(`an expression has ${whole.length} characters`);
  return whole;
}

export const assign = (values: Body): Body => ({
  assign: Object.entries(values).map(([name, value]) => ({ [name]: value })),
});

export const call = (name: string, args: Body, result?: string): Body => ({
  call: name,
  args,
  ...(result === undefined ? {} : { result }),
});

/** The first case that holds decides; each jumps, since a case that falls through reads as if it did not. */
export const choose = (cases: Readonly<Record<string, string>>, otherwise?: string): Body => ({
  switch: Object.entries(cases).map(([condition, next]) => ({ condition: expression(condition), next })),
  ...(otherwise === undefined ? {} : { next: otherwise }),
});

/** A call of Google's APIs under the workflow's own account; passing faults are tried again. */
export const request = (method: 'get' | 'post', args: Body, result: string): Body => ({
  try: call(`http.${method}`, { ...args, auth: { type: 'OAuth2' } }, result),
  retry: expression('http.default_retry'),
});

/**
 * Inside an `except`: sets `reason` to what a service said of a failed request, else to what Workflows says
 * of any error. `step` prefixes the names of the steps, which must differ in a whole subworkflow.
 * https://cloud.google.com/workflows/docs/reference/syntax/catching-errors#error_variable
 */
export const reasonOf = (error: string, step: string): Step[] => [
  { [step]: assign({ reason: expression(`default(map.get(${error}, "message"), "no reason given")`) }) },
  { [`${step}_body`]: choose({ [`not("body" in ${error})`]: `${step}_known` }) },
  {
    [`${step}_answer`]: {
      try: {
        steps: [{ [`${step}_message`]: assign({ reason: expression(`${error}.body.error.message`) }) }],
      },
      // A body that is no answer of Google's, from a proxy on the way for instance.
      except: { as: 'other', steps: [{ [`${step}_foreign`]: assign({ reason: expression('reason') }) }] },
    },
  },
  { [`${step}_known`]: assign({ reason: expression('reason') }) },
];

/** Ends the run for good: the same would happen again. */
export const raise = (code: string, message: string) => ({
  raise: { error_code: code, final: 'yes', message: expression(message) },
});

/** Arguments of a call that are variables of the same name. */
export const expressions = (names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, expression(name)]));

/** Where a text has to be put together from run values: `mark('run_id')` in it stands for the variable. */
const MARK = '\u0000';
export const mark = (variable: string): string => MARK + variable + MARK;

/** Turns every marked text of a JSON value into an expression that puts it together. */
export function unmarked(value: unknown): unknown {
  if (typeof value === 'string') {
    if (!value.includes(MARK)) return value;
    const parts = value.split(MARK).map((part, at) => (at % 2 === 1 ? part : JSON.stringify(part)));
    return expression(parts.filter((part) => part !== '""').join(' + '));
  }
  if (Array.isArray(value)) return value.map(unmarked);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, unmarked(inner)]));
  return value;
}

/** Runs a statement of jobs/contract/sql through the `query` subworkflow; values are expressions' texts. */
export const query = <P extends string>(
  statement: Statement<P>,
  values: Readonly<Record<P, string>>,
  result?: string,
): Body =>
  call(
    'query',
    {
      statement: statement.name,
      sql: statement.sql,
      parameters: (Object.keys(statement.params) as P[]).map((name) => ({
        name,
        parameterType: { type: statement.params[name] },
        parameterValue: { value: expression(values[name]) },
      })),
    },
    result,
  );

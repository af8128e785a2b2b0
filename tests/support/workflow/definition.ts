/** A Cloud Workflows definition as its readers see it. https://cloud.google.com/workflows/docs/reference/syntax */
export interface StepBody {
  readonly assign?: readonly Readonly<Record<string, unknown>>[];
  readonly call?: string;
  readonly args?: Readonly<Record<string, unknown>>;
  readonly result?: string;
  readonly switch?: readonly { readonly condition: string; readonly next?: string }[];
  readonly next?: string;
  readonly try?: StepBody;
  readonly except?: { readonly as: string; readonly steps: StepList };
  readonly for?: {
    readonly value: string;
    readonly index?: string;
    readonly in: string;
    readonly steps: StepList;
  };
  readonly steps?: StepList;
  readonly retry?: unknown;
  readonly raise?: unknown;
  readonly return?: unknown;
}
type StepList = readonly Readonly<Record<string, StepBody>>[];
export interface Subworkflow {
  readonly params?: readonly string[];
  readonly steps: StepList;
}
export type Definition = Readonly<Record<string, Subworkflow>>;

/** The parts of the standard library that the definition may use, and the functions without a prefix. */
export const LIBRARIES = ['http', 'json', 'map', 'math', 'sys', 'text', 'uuid'];
export const HELPERS = ['default', 'double', 'get_type', 'int', 'keys', 'len', 'string'];
const WORDS = ['and', 'or', 'not', 'in'];

/** Every text of a value that Workflows evaluates. */
export function expressions(value: unknown): string[] {
  if (typeof value === 'string') return value.startsWith('${') ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(expressions);
}

/** The variables, functions and libraries that an expression names: not strings, not members. */
export function identifiers(text: string): string[] {
  const bare = text.slice(2, -1).replace(/"(?:[^"\\]|\\.)*"/g, '""');
  const names = [...bare.matchAll(/(?<![\w.])[A-Za-z_]\w*/g)].map(([name]) => name);
  return names.filter((name) => !WORDS.includes(name));
}

type Named = readonly [name: string, body: StepBody];
const entries = (steps: StepList): Named[] => steps.flatMap((step) => Object.entries(step));

/** Every list of steps, however deep. */
export function stepLists({ steps }: { steps: StepList }, loop = false): { steps: Named[]; loop: boolean }[] {
  const inner = (body: StepBody): { steps: Named[]; loop: boolean }[] => [
    ...(body.steps ? stepLists({ steps: body.steps }, loop) : []),
    ...(body.try ? inner(body.try) : []),
    ...(body.except ? stepLists(body.except, loop) : []),
    ...(body.for ? stepLists(body.for, true) : []),
  ];
  const own = entries(steps);
  return [{ steps: own, loop }, ...own.flatMap(([, body]) => inner(body))];
}

export const bodies = (definition: Definition): StepBody[] =>
  Object.values(definition).flatMap((one) =>
    stepLists(one).flatMap(({ steps }) => steps.map(([, body]) => body)),
  );

interface Scope {
  /** Variables that begin here. */
  own: string[];
  /** Those and the ones around. */
  visible: string[];
  /** Expressions that stand here. */
  texts: string[];
}

/**
 * A subworkflow is a scope; a loop's and an except's steps are one inside another, nested steps are none.
 * https://cloud.google.com/workflows/docs/reference/syntax/variables#variable-scope
 */
export function scopes({ params = [], steps }: Subworkflow): Scope[] {
  const all: Scope[] = [];
  const open = (names: readonly string[], list: StepList, around: readonly string[]): void => {
    const scope: Scope = { own: [...names], visible: [], texts: [] };
    const inner: (() => void)[] = [];
    const read = (body: StepBody): void => {
      const { for: loop, except, try: tried, steps: nested, ...rest } = body;
      for (const assignment of rest.assign ?? [])
        scope.own.push(...Object.keys(assignment).map((key) => key.replace(/[[.].*/, '')));
      if (rest.result !== undefined) scope.own.push(rest.result);
      scope.texts.push(...expressions(rest));
      if (nested) for (const [, one] of entries(nested)) read(one);
      if (tried) read(tried);
      if (except) inner.push(() => open([except.as], except.steps, scope.visible));
      if (loop) {
        scope.texts.push(loop.in);
        inner.push(() => open([loop.value, ...(loop.index ? [loop.index] : [])], loop.steps, scope.visible));
      }
    };
    for (const [, body] of entries(list)) read(body);
    scope.own = scope.own.filter((name) => !around.includes(name));
    scope.visible = [...around, ...scope.own];
    all.push(scope);
    for (const one of inner) one();
  };
  open(params, steps, []);
  return all;
}

import { GoogleError } from '../errors/google-error.ts';

/** A JSON Schema of a discovery document: https://developers.google.com/discovery/v1/type-format */
export interface Schema {
  readonly $ref?: string;
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object' | 'any';
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly minimum?: string;
  readonly maximum?: string;
  /** Of a query parameter. */
  readonly repeated?: boolean;
  readonly required?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
}
export type Schemas = Readonly<Record<string, Schema>>;

/** @throws GoogleError INVALID_ARGUMENT that names the property at fault, and never its value */
export type Check = (value: unknown, at: string) => void;

/** What the texts of a format look like; formats that say nothing of the text are left out. */
const TEXTS: Readonly<Record<string, RegExp>> = {
  int64: /^-?\d{1,19}$/,
  uint64: /^\d{1,20}$/,
  // Both alphabets of base64: https://protobuf.dev/programming-guides/json/
  byte: /^[A-Za-z0-9+/_-]*={0,2}$/,
  date: /^\d{4}-\d\d-\d\d$/,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/,
  'google-datetime': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/,
  'google-duration': /^-?\d+(\.\d{1,9})?s$/,
};
const WHOLE: Readonly<Record<string, readonly [least: number, most: number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
};

const invalid = (at: string, wanted: string): never => {
  throw new GoogleError('INVALID_ARGUMENT', `Invalid value at '${at}' (${wanted}).`);
};
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One check for each schema that is asked for, made once; a schema may lead to itself. */
export function checks(schemas: Schemas): (schema: Schema) => Check {
  const named = new Map<string, Check>();
  const byName = (name: string): Check => {
    const known = named.get(name);
    if (known) return known;
    const schema = schemas[name];
    if (schema === undefined) throw new Error(`the discovery document has no schema ${name}`);
    let own: Check | undefined;
    named.set(name, (value, at) => own?.(value, at));
    own = compile(schema);
    return own;
  };
  const compile = (schema: Schema): Check => {
    if (schema.$ref !== undefined) return byName(schema.$ref);
    if (schema.type === 'array') return list(compile(schema.items ?? {}));
    if (schema.type === 'object') return object(schema);
    return scalar(schema);
  };
  const object = ({ properties = {}, additionalProperties }: Schema): Check => {
    const known = new Map(Object.entries(properties).map(([name, one]) => [name, compile(one)]));
    const others = additionalProperties && compile(additionalProperties);
    return (value, at) => {
      if (!isObject(value)) return invalid(at, 'an object');
      for (const [name, one] of Object.entries(value)) {
        const check = known.get(name) ?? others;
        if (check === undefined) throw unknownName(name, at);
        // A null stands for a property that is not given: https://protobuf.dev/programming-guides/json/
        if (one !== null) check(one, at === '' ? name : `${at}.${name}`);
      }
    };
  };
  return compile;
}

const list =
  (item: Check): Check =>
  (value, at) => {
    if (!Array.isArray(value)) return invalid(at, 'a list');
    for (const [index, one] of value.entries()) item(one, `${at}[${index}]`);
  };

/** A text, a number or a truth value; of 64-bit numbers Google takes the JSON number, too. */
export function scalar({ type, format = '', enum: names, minimum, maximum }: Schema): Check {
  if (type === 'boolean') return (value, at) => typeof value === 'boolean' || invalid(at, 'TYPE_BOOL');
  if (type === 'number') return (value, at) => typeof value === 'number' || invalid(at, 'TYPE_DOUBLE');
  if (type === 'integer') {
    const [least, most] = WHOLE[format] ?? [-(2 ** 53), 2 ** 53];
    const [from, to] = [Number(minimum ?? least), Number(maximum ?? most)];
    return (value, at) =>
      (Number.isInteger(value) && Number(value) >= from && Number(value) <= to) ||
      invalid(at, `${format || 'integer'} from ${from} to ${to}`);
  }
  if (type !== 'string') return () => {};
  if (names !== undefined)
    // JSON of protocol buffers may have the number of an enum's value instead, which the documents do not tell.
    return (value, at) =>
      (typeof value === 'string' ? names.includes(value) : Number.isSafeInteger(value)) ||
      invalid(at, `one of ${names.join(', ')}`);
  const pattern = TEXTS[format];
  const whole = format === 'int64' || format === 'uint64';
  return (value, at) => {
    if (typeof value === 'string' ? !(pattern?.test(value) ?? true) : !(whole && Number.isSafeInteger(value)))
      invalid(at, format === '' ? 'TYPE_STRING' : format);
  };
}

function unknownName(name: string, at: string): GoogleError {
  const where = at === '' ? '' : ` at '${at}'`;
  return new GoogleError(
    'INVALID_ARGUMENT',
    `Invalid JSON payload received. Unknown name "${name}"${where}: Cannot find field.`,
  );
}

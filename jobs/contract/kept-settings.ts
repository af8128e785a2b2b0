import { createHash } from 'node:crypto';
import type { Deployment } from './deployment.ts';
import { patternsOf } from './fields.ts';

/**
 * What the values of a run are staged and merged under, by the names of the settings. A run that broke off goes on
 * under the same alone: rows that were staged under one setting and are merged under another would be counted,
 * explained or written in the terms of the wrong one.
 */
const kept = (d: Deployment): Readonly<Record<string, unknown>> => ({
  sourceTable: d.tables.source,
  idColumn: d.idColumn,
  idType: d.idType,
  fields: d.fields.map(({ valuePattern: _, ...columns }) => columns),
  valuePattern: patternsOf(d.fields),
  sourceFormat: d.sourceFormat,
  unauthenticated: d.unauthenticated,
  keying: d.keying,
  storePlaintext: d.storePlaintext,
  sourceKek: d.sourceKek,
  jarFile: d.batch.jarFile,
  mainClass: d.batch.mainClass,
});

/** Hexadecimal digits of SHA-256 that tell one value of a setting from the next. */
const DIGITS = 8;

/**
 * The settings that a run keeps, as the ledger has them: name and a hash of the value, since a pattern may be long.
 *
 * @example
 * keptSettings(deployment); // 'sourceTable:2f1c09aa idColumn:6f1e8c02 …'
 */
export const keptSettings = (d: Deployment): string =>
  Object.entries(kept(d))
    .map(([name, value]) => `${name}:${hash(value)}`)
    .join(' ');

/**
 * Which of these settings a stack has in another way than the run began with; none for a run that an older version
 * entered into the ledger, which kept no such list.
 *
 * @example
 * changedSettings(run.settings, deployment); // ['valuePattern']
 */
export function changedSettings(began: string | null, d: Deployment): string[] {
  if (began === null) return [];
  const then = new Set(began.split(' '));
  const now = keptSettings(d).split(' ');
  const changed = now.filter((one) => !then.has(one)).map((one) => one.split(':')[0] ?? one);
  return [...new Set(changed.map((name) => (name === PATTERNS && patternsAreInFields(d) ? 'fields' : name)))];
}

/** What the ledger calls the patterns, wherever they are set. */
export const PATTERNS = 'valuePattern';

/** Of several fields each has its pattern in the setting `fields`, and `valuePattern` must not be set. */
export const patternsAreInFields = ({ fields }: Pick<Deployment, 'fields'>): boolean => fields.length > 1;

const hash = (value: unknown): string =>
  createHash('sha256').update(canonical(value)).digest('hex').slice(0, DIGITS);

/** JSON whose members have one order, whoever put the object together. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_name, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

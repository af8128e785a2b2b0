import type { Deployment } from '../deployment.ts';
import { tokenColumn } from '../fields.ts';
import { declareNewest, NEWEST } from './keyset-versions.ts';
import { anySealed, isDeterministic, openedFields, sealedColumns } from './open-values.ts';
import { type Chains, literal, quoted, type Statement, statement, table } from './statement.ts';

/** Places in the view's text that the newest versions are put into. */
const PLACES: Chains = {
  aead: { kms: '{kms}', keyset: '{keyset}' },
  deterministic: { kms: '{deterministic_kms}', keyset: '{deterministic_keyset}' },
};

/**
 * The view that analysts query: ids, and every field in the clear. KEYSET_CHAIN takes literals, so the newest version of
 * each type stands in its text: a wrapped keyset is no secret without its KMS key, whose use is asked of each reader. It
 * opens what every version sealed, in each keying; what does not open is NULL, and a condition on the id reaches the
 * table. In deterministic keying it also has the sealed values, by which analysts join and group.
 *
 * @example
 * readView(deployment, { aead: { kms: "'gcp-kms://projects/…'", keyset: "b'\\x0a…'" }, deterministic: … });
 * // 'CREATE OR REPLACE VIEW …'
 */
export const readView = (d: Deployment, chains: Chains): string =>
  `CREATE OR REPLACE VIEW \`${d.project}.${d.readDataset}.${d.readView}\`
OPTIONS (description = 'Every sealed value in the clear, for those who may use the BigQuery key') AS
SELECT ${[openedFields(d, chains), ...tokens(d)].join(',\n  ')}
FROM ${table(d, 'source')}
WHERE ${anySealed(d)}`;

/** Values that another keying has sealed are no tokens: equal ones differ. */
const tokens = (d: Deployment): string[] =>
  d.keying === 'deterministic'
    ? d.fields.map((field) => {
        const { key, sealed } = sealedColumns(d, field);
        return `IF(${isDeterministic(d, key)}, ${sealed}, NULL) AS ${quoted(tokenColumn(field))}`;
      })
    : [];

/**
 * Makes the view, or puts the newest versions into it. A run does so before it seals with a version, and whoever adds a
 * version does so at once: what stands in the source table is always older than the view.
 *
 * @example
 * await bigquery.query(sql.replaceReadView, {});
 */
export function replaceReadView(d: Deployment): Statement<never> {
  const places = (['aead', 'deterministic'] as const).flatMap((type) =>
    (['kms', 'keyset'] as const).map((part) => [PLACES[type][part], NEWEST[type][part]] as const),
  );
  const filled = places.reduce(
    (text, [place, variable]) => `REPLACE(${text}, '${place}', FORMAT('%T', ${variable}))`,
    literal(readView(d, PLACES).replaceAll(/\s*\n\s*/g, ' ')),
  );
  return statement('read_view', {}, `${declareNewest(d)}\nEXECUTE IMMEDIATE ${filled};`);
}

import type { Deployment } from '../deployment.ts';
import { declareNewest, VERSION } from './keyset-versions.ts';
import { anySealed, openedFields } from './open-values.ts';
import { type Chain, literal, type Statement, statement, table } from './statement.ts';

/** Places in the view's text that the newest version is put into. */
const PLACES: Chain = { kms: '{kms}', keyset: '{keyset}' };

/**
 * The view that analysts query: ids, and every field in the clear. KEYSET_CHAIN takes literals, so the newest version
 * stands in its text: a wrapped keyset is no secret without its KMS key, whose use is asked of each reader. It opens what
 * every version sealed, in both keyings; what does not open is NULL, and a condition on the id reaches the table.
 *
 * @example
 * readView(deployment, { kms: "'gcp-kms://projects/…'", keyset: "b'\\x0a…'" }); // 'CREATE OR REPLACE VIEW …'
 */
export const readView = (d: Deployment, chain: Chain): string =>
  `CREATE OR REPLACE VIEW \`${d.project}.${d.readDataset}.${d.readView}\`
OPTIONS (description = 'Every sealed value in the clear, for those who may use the BigQuery key') AS
SELECT ${openedFields(d, chain)}
FROM ${table(d, 'source')}
WHERE ${anySealed(d)}`;

/**
 * Makes the view, or puts the newest version into it. A run does so before it seals with a version, and whoever adds a
 * version does so at once: what stands in the source table is always older than the view.
 *
 * @example
 * await bigquery.query(sql.replaceReadView, {});
 */
export const replaceReadView = (d: Deployment): Statement<never> =>
  statement(
    'read_view',
    {},
    `${declareNewest(d)}
EXECUTE IMMEDIATE REPLACE(REPLACE(${literal(readView(d, PLACES).replaceAll(/\s*\n\s*/g, ' '))}, '${PLACES.kms}', FORMAT('%T', ${VERSION.kms})), '${PLACES.keyset}', FORMAT('%T', ${VERSION.keyset}));`,
  );

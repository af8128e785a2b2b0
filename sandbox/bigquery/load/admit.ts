import { type Json, objectOr, text } from '../../http/router.ts';
import type { Access } from '../access.ts';
import type { Catalog } from '../duckdb/catalog.ts';

/**
 * What a load job asks for on its destination.
 * https://cloud.google.com/bigquery/docs/batch-loading-data#permissions-load-data-into-bigquery
 */
export function admitLoad(access: Access, catalog: Catalog, configuration: Json): void {
  const { datasetId, tableId } = objectOr(configuration.destinationTable);
  const [dataset, table] = [text(datasetId) ?? '', text(tableId) ?? ''];
  if (catalog.findTable(dataset, table) === undefined && configuration.createDisposition !== 'CREATE_NEVER')
    access.dataset('bigquery.tables.create', dataset);
  access.table('bigquery.tables.updateData', dataset, table);
  // A load that names a policy tag sets it, be it the one that the column has.
  // https://cloud.google.com/bigquery/docs/column-level-security#set_policy
  if (tagged(objectOr(configuration.schema).fields))
    access.table('bigquery.tables.setCategory', dataset, table);
}

function tagged(fields: unknown): boolean {
  return (Array.isArray(fields) ? fields : []).some((field) => {
    const { policyTags, fields: inner } = objectOr(field);
    const { names } = objectOr(policyTags);
    return (Array.isArray(names) && names.length > 0) || tagged(inner);
  });
}

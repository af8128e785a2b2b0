import { type Context, type ResourceRule, type Subject, text } from './rule.ts';

/** What cannot be made again: tables with values, and the keys without which they cannot be read. */
const KEPT = new Set([
  'gcp:bigquery/dataset:Dataset',
  'gcp:bigquery/table:Table',
  'gcp:kms/cryptoKey:CryptoKey',
]);

export const productionProtected: ResourceRule = {
  name: 'production-protected',
  description: 'Tables and keys of production cannot be destroyed by an update.',
  check: ({ type, props, protect }, { production }) => {
    if (!production || !KEPT.has(type)) return [];
    const wrong = protect ? [] : ['is not protected: set reseal:deletionProtection to true'];
    const table = type === 'gcp:bigquery/table:Table';
    return table && props.deletionProtection !== true
      ? [...wrong, 'has deletionProtection off: BigQuery would drop it']
      : wrong;
  },
};

interface Column {
  name: string;
  policyTags?: { names?: string[] };
}

function columns({ type, props }: Subject): Column[] {
  const schema = text(props.schema);
  return type === 'gcp:bigquery/table:Table' && schema !== '' ? (JSON.parse(schema) as Column[]) : [];
}

/** How long a table may keep plaintext on its way, in milliseconds: rows of the staging table expire after a week. */
const PASSING_MS = 7 * 86_400_000;

/**
 * A table whose rows expire soon carries no tag: a load job that names one must be allowed to set it
 * (bigquery.tables.setCategory), which the batch that fills the table is not.
 */
function passing({ props }: Subject): boolean {
  const { expirationMs } = (props.timePartitioning ?? {}) as { expirationMs?: number };
  return expirationMs !== undefined && expirationMs <= PASSING_MS;
}

function untagged(subject: Subject, { plaintextColumns }: Context): string[] {
  if (passing(subject)) return [];
  return columns(subject)
    .filter(({ name, policyTags }) => plaintextColumns.has(name) && !policyTags?.names?.length)
    .map(({ name }) => name);
}

export const plaintextTagged: ResourceRule = {
  name: 'plaintext-tagged',
  description:
    'Production keeps plaintext only in columns with a policy tag, and on its way for a week at most.',
  check: (subject, context) =>
    context.production && context.storesPlaintext
      ? untagged(subject, context).map(
          (name) => `stores plaintext in ${name} without a policy tag: set reseal:columnPolicyTag`,
        )
      : [],
};

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

function untagged(subject: Subject, { plaintextColumns }: Context): string[] {
  return columns(subject)
    .filter(({ name, policyTags }) => plaintextColumns.has(name) && !policyTags?.names?.length)
    .map(({ name }) => name);
}

export const plaintextTagged: ResourceRule = {
  name: 'plaintext-tagged',
  description: 'Production stores plaintext only in columns with a policy tag.',
  check: (subject, context) =>
    context.production && context.storesPlaintext
      ? untagged(subject, context).map(
          (name) => `stores plaintext in ${name} without a policy tag: set reseal:columnPolicyTag`,
        )
      : [],
};

import { type ResourceRule, type Subject, text, texts } from './rule.ts';

/** The roles that a resource grants, whatever kind of binding it is. */
function roles({ type, props }: Subject): string[] {
  const granted = [text(props.role)];
  if (type === 'gcp:bigquery/dataset:Dataset' && Array.isArray(props.accesses))
    granted.push(...props.accesses.map((access: { role?: unknown }) => text(access.role)));
  return granted.filter((role) => role !== '');
}

/** Everybody that a resource lets in: bindings, and the access lists of datasets. */
function members({ type, props }: Subject): string[] {
  const lists =
    type === 'gcp:bigquery/dataset:Dataset' && Array.isArray(props.accesses) ? props.accesses : [];
  const entries = [props, ...(lists as Record<string, unknown>[])];
  return entries.flatMap((entry) => [
    text(entry.member),
    ...texts(entry.members),
    text(entry.iamMember),
    text(entry.specialGroup),
  ]);
}

/** Basic roles (BigQuery's own OWNER and the like too), and whatever administers. */
const WIDE = /^(roles\/)?(owner|editor|viewer|writer|reader)$|admin$/i;

/** Roles whose names end in Admin and that reach no further than the objects of one bucket. */
const NARROW = new Set(['roles/storage.objectAdmin']);

export const noWideRoles: ResourceRule = {
  name: 'no-wide-roles',
  description: 'No basic role and no administrator is granted by the stack.',
  check: (subject) => {
    const onBucket = subject.type.startsWith('gcp:storage/bucket');
    return roles(subject)
      .filter((role) => WIDE.test(role) && !(NARROW.has(role) && onBucket))
      .map((role) => `grants ${role}: name the predefined role that the task needs (docs/iam.md)`);
  },
};

const PUBLIC = new Set(['allUsers', 'allAuthenticatedUsers']);

export const noPublicMembers: ResourceRule = {
  name: 'no-public-members',
  description: 'Nothing is open to everybody.',
  check: (subject) => [
    ...members(subject)
      .filter((member) => PUBLIC.has(member))
      .map((member) => `lets ${member} in: name accounts or groups`),
    ...(subject.type === 'gcp:storage/bucket:Bucket' && subject.props.publicAccessPrevention !== 'enforced'
      ? ['may be made public: set publicAccessPrevention to enforced']
      : []),
  ],
};

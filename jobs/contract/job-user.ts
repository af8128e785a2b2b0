/**
 * What the person, or the account, that starts runs by hand must be granted. The one table: docs/iam.md shows it,
 * and the sandbox's job has exactly these roles.
 */
export interface Grant {
  readonly role: string;
  readonly on: GrantTarget;
  /** What it takes part in: any run by hand, only one with an engine, or only `--via workflow`. */
  readonly when:
    | 'every run'
    | '--engine direct'
    | '--engine dataproc'
    | '--via workflow'
    | 'a policy tag'
    | '`sample`';
  readonly why: string;
}

/** In docs/iam.md these stand as they are written here. */
export const GRANT_TARGETS = [
  'project',
  "the batch's account",
  'source table',
  'staging table',
  'rejected table',
  'keysets table',
  'runs table',
  "the stack's bucket",
  'source key',
  'BigQuery key',
  'policy tag',
] as const;
export type GrantTarget = (typeof GRANT_TARGETS)[number];

const editor = (on: GrantTarget, why: string): Grant => ({
  role: 'roles/bigquery.dataEditor',
  on,
  when: 'every run',
  why,
});

export const JOB_USER_GRANTS: readonly Grant[] = [
  { role: 'roles/bigquery.jobUser', on: 'project', when: 'every run', why: 'Runs statements and load jobs.' },
  editor('source table', 'Selects rows; the merge writes them.'),
  editor('staging table', 'Loads, verifies, merges and removes staged rows.'),
  editor('rejected table', 'Selects by them; the merge adds to them.'),
  editor('keysets table', 'Reads the keyset; the first run makes it.'),
  editor('runs table', 'The ledger.'),
  {
    role: 'roles/cloudkms.cryptoKeyEncrypterViaDelegation',
    on: 'BigQuery key',
    when: 'every run',
    why: "BigQuery wraps the first keyset on the caller's behalf.",
  },
  {
    role: 'roles/cloudkms.cryptoKeyDecrypterViaDelegation',
    on: 'BigQuery key',
    when: 'every run',
    why: "BigQuery proves the staged values on the caller's behalf, and reads them back.",
  },
  {
    role: 'roles/cloudkms.cryptoKeyDecrypter',
    on: 'source key',
    when: '--engine direct',
    why: 'The job unwraps data keys itself.',
  },
  {
    role: 'roles/cloudkms.cryptoKeyDecrypter',
    on: 'BigQuery key',
    when: '--engine direct',
    why: 'The job unwraps the first-level keyset itself.',
  },
  {
    role: 'roles/cloudkms.cryptoKeyEncrypter',
    on: 'source key',
    when: '`sample`',
    why: 'Wraps a dozen data keys for made-up users. Whoever starts runs only does without.',
  },
  {
    role: 'roles/dataproc.serverlessEditor',
    on: 'project',
    when: '--engine dataproc',
    why: 'Creates, follows and cancels the batch.',
  },
  {
    role: 'roles/iam.serviceAccountUser',
    on: "the batch's account",
    when: '--engine dataproc',
    why: 'The batch runs as that account.',
  },
  {
    role: 'roles/storage.objectViewer',
    on: "the stack's bucket",
    when: '--engine dataproc',
    why: "Reads what the batch's driver printed: progress, KMS calls and the application's own errors. Without it a run ends well all the same.",
  },
  {
    role: 'roles/workflows.invoker',
    on: 'project',
    when: '--via workflow',
    why: 'Starts, follows and cancels the execution.',
  },
  {
    role: 'roles/datacatalog.categoryFineGrainedReader',
    on: 'policy tag',
    when: 'a policy tag',
    why: 'With `reseal:columnPolicyTag` only: the merge is checked for the columns that it reads.',
  },
];

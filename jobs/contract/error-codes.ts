/**
 * What scripts go by; the code of the error says more. Those of signals are 128 and the signal's number, as shells have
 * them: https://www.gnu.org/software/bash/manual/html_node/Exit-Status.html
 */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  rejected: 3,
  hangup: 129,
  cancelled: 130,
  unread: 141,
} as const;

export interface ErrorCode {
  /** What has happened. */
  readonly when: string;
  /** What to do about it. */
  readonly remedy: string;
  readonly exit: Exclude<keyof typeof EXIT, 'ok'>;
}

const failed = (when: string, remedy: string): ErrorCode => ({ when, remedy, exit: 'failed' });
/** The call, an option, a file or the stack was not usable; nothing was begun. */
const usage = (when: string, remedy: string): ErrorCode => ({ when, remedy, exit: 'usage' });

const RESUME = '`--resume RUN` goes on';

/**
 * Every code that a user can meet, whichever part raises it: the job, the workflow, the Spark application, the
 * sandbox or a tool. docs/errors.md is made of this table, and exit codes derive from it.
 */
export const ERROR_CODES = {
  option: usage(
    'an option or a command does not exist, or has a value that it does not take',
    '`--help` lists them',
  ),
  'option-config': usage('`npm run sandbox -- --config` is not key=value', 'write `--config key=value`'),
  'option-local': usage(
    'an option for the sandbox, or `sql`, was used with `--stack`',
    'leave one of the two out',
  ),
  'option-stack': usage(
    '`--via workflow` was used without `--stack`',
    'the sandbox runs no workflows: name a stack',
  ),
  'option-engine': usage(
    "`--via workflow` was used with an engine that the stack's workflow does not have, or for a run that began with one; `--engine direct` is never among them",
    'leave one of the two out; a run goes on without `--via workflow`, by the engine that it began with',
  ),
  'option-detach': usage(
    '`--detach` was used for a run that this process drives: after the batch it has to verify and merge',
    'add `--via workflow`, which drives the run by itself',
  ),
  'option-resume': usage(
    '`--resume` was used with an option that only a new run can take, or with `--fresh`, which would wipe the run',
    'leave that option out: a run goes on as it was planned',
  ),
  'option-take-over': usage(
    '`--take-over` was used without a run to take over',
    'name the run with `--resume`, or leave `--take-over` out',
  ),
  'option-html': usage(
    'the file of `--html` cannot be written',
    'name a file in a folder that you may write to',
  ),
  'option-page': usage(
    '`--html` or `--open` was used with `--plan` or `--detach`, which end before there is a report',
    'leave one of the two out; `npm run reseal -- show RUN --html FILE` makes the page later',
  ),
  'option-state': usage(
    '`--state` is empty, as a variable is that is not set, or names something that is no folder',
    'name a folder, or leave the option out',
  ),
  'run-id': usage(
    '`--run-id` or `--resume` is no run id',
    'use 4 to 36 lower-case letters, digits and dashes, no two dashes in a row',
  ),
  'not-confirmed': usage(
    'something that cannot be undone was not confirmed',
    'answer the question, or add `--yes`',
  ),
  'shred-ids': usage('no ids to shred, or something that is no id', 'name ids, or a file with one a line'),
  'shred-unknown': usage(
    'the source table has no row of some ids: nothing was shredded',
    'leave these ids out',
  ),
  'shred-field': usage('the stack has no such field', 'take one of those that the message names'),
  'shred-readable': failed(
    'a value still opens after shredding: a run has merged it meanwhile',
    'shred it again',
  ),
  'keyset-file': usage(
    'the file of `keys adopt --from` cannot be read, or holds no base64',
    'name a file with the wrapped keyset in base64 and nothing else',
  ),
  'keyset-key': usage(
    'the key of `keys rewrap --to` or `keys adopt --kms-key` is no CryptoKey of the region that the stack is in, or wraps the keyset already',
    'name it in full: projects/…/locations/…/keyRings/…/cryptoKeys/…',
  ),
  'keyset-unfit': failed(
    'the primary key of a keyset to adopt is not of AES-GCM with the prefix of Tink',
    'adopt a keyset that `KEYS.NEW_WRAPPED_KEYSET` or `KEYS.ROTATE_WRAPPED_KEYSET` made',
  ),
  'keyset-foreign': failed(
    'a keyset to adopt does not open what a version of the first-level keyset has sealed: those values would be lost to readers',
    'adopt one that was rotated from the newest version',
  ),
  'keyset-conflict': failed(
    'another version of the first-level keyset was added in the same moment',
    'look at `npm run reseal -- keys`, then do it again',
  ),
  'run-unknown': usage('the ledger has no such run', '`npm run reseal -- history` lists the runs'),
  'run-live': usage(
    'the run is driven by another process, or by an execution of the workflow or of the job on Cloud Run, which the message names',
    'wait until it has ended; if it has gone, `--take-over` goes on in its place',
  ),
  'run-abandoned': usage(
    'the run was given up with `reseal abandon`',
    'start a new run, which takes its values',
  ),
  'resume-changed': usage(
    'a setting that its values are staged and merged under has changed since the run began',
    'set the ones that the message names back, or `reseal abandon RUN` and start a new run',
  ),
  'not-ready': failed(
    'a table or a key is not as a run needs it; nothing was begun',
    'the message says what to change; `npm run reseal -- doctor` lists everything',
  ),
  'init-stack': usage('not a name for a stack', 'the message says what a name is'),
  'init-exists': usage(
    "the stack's file is there already",
    'take another name, or overwrite it with `--force`',
  ),
  'init-table': usage(
    'the dataset is there, but not the table: a stack creates both, or none of them; or what there is is not what `--exists` or `--new` says',
    'name the right table, or a dataset that is not there yet; leave that option out',
  ),
  'init-unseen': usage(
    'nobody could look whether the table is there, for want of credentials, of a role or of a network',
    'say which it is with `--exists` or `--new`, or sign in and try again',
  ),
  'init-location': usage(
    'the table is in a multi-region, such as US or EU: batches and keys live in one region',
    'copy the dataset into one of a region, and name that one with `--dataset`',
  ),
  'init-setting': usage(
    'something that `init` has to know is missing or wrong',
    'the message names the option and what it wants',
  ),
  'stack-name': usage(
    'not a name for a stack that comes and goes: one of the kept ones, production, too long, or that of a stack of your own',
    'take another name',
  ),
  'stack-secret': usage(
    'a secret of dev is one that the stack of a branch cannot have: it is part of a value, or a name is made of it',
    'the message names it: set it as one secret, or without `--secret`',
  ),
  'stack-missing': usage('there is no such stack', '`pulumi stack ls` lists them'),
  'stack-empty': usage('the stack was never deployed', 'run `pulumi up`'),
  'stack-outputs': usage(
    'the stack was deployed by another version of the program',
    'run `pulumi up` with this one',
  ),
  'pulumi-cli': usage(
    'the Pulumi command line is not installed or too old',
    'install it, then `pulumi login`',
  ),
  pulumi: usage(
    'the Pulumi command line failed, for the reason that it gives',
    'try the same with `pulumi stack`',
  ),
  'engine-not-allowed': usage(
    'the stack does not allow this engine',
    'take another, or add it to `reseal:engines`',
  ),
  'engine-jar': usage(
    'a stack with a jar of its own runs on Dataproc only, and in one wave',
    'leave `--engine`, or `--wave`, out',
  ),
  'users-file': usage(
    'a file of users for the sandbox is missing or of no known format',
    'see docs/sandbox.md',
  ),
  'users-columns': usage('a file of users lacks a column or has one too many', 'the message names it'),
  'users-row': usage('a row of a file of users cannot be loaded', 'the message names its line'),
  'users-duplicate-id': usage('two users of a file have the same id', 'the message names it'),
  'kek-file': usage('the file of `--kek` is missing or holds no AES-256 key', 'see docs/sandbox.md'),
  'vectors-file': usage('not a vectors file', 'docs/vectors.md describes the format'),
  'sandbox-missing': usage(
    'the folder of `--state` holds no sandbox',
    '`npm run trigger -- --state FOLDER` makes one',
  ),
  'sandbox-busy': usage('another process serves this sandbox folder', 'stop it, or name another folder'),
  'sandbox-folder': usage(
    '`--fresh` was used on a folder that holds what a sandbox did not make',
    'name another folder with `--state`',
  ),
  'sandbox-kept': usage(
    '`settings.json` in the folder of a sandbox, which keeps its settings, is not what Reseal has written',
    'write `{}` into it, or start over with `--fresh`',
  ),
  'sandbox-settings': usage(
    'a sandbox is running in this folder with other settings',
    'stop it, or name another folder with `--state`',
  ),
  'sandbox-deploy': usage(
    'the stack cannot be deployed into the sandbox',
    'look at the settings that were given',
  ),
  'sandbox-start': usage('the sandbox did not start', 'the message says why'),
  'faults-file': usage(
    'the file of `--faults` cannot be read',
    'name a file in YAML or JSON; docs/sandbox.md',
  ),
  'faults-rule': usage(
    'a rule of `--faults` or of the control route is none',
    'the message names the property; docs/sandbox.md lists the rules',
  ),
  'python-missing': failed(
    'there is no Python 3.10, 3.11 or 3.12 with venv',
    'install one, or set RESEAL_PYTHON',
  ),
  'venv-failed': failed(
    "the Spark application's Python environment could not be made",
    '`npm run venv` tries again',
  ),
  'bundle-failed': failed('`npm run bundle` could not make the application', 'the message says why'),
  'bundle-missing': failed('the stack was deployed before `npm run bundle`', 'run it, then `pulumi up`'),
  'nothing-resealed': failed('`read` was used before any run', 'run `npm run trigger`'),
  'sample-rows': usage(
    '`sample` was used on a source table that has rows',
    '`--append` adds the made-up users under ids that no row has',
  ),
  'emulator-host': usage(
    'BIGQUERY_EMULATOR_HOST or STORAGE_EMULATOR_HOST names a host that would be called in the place of Google',
    'unset it',
  ),
  'no-credentials': failed(
    'there are no application default credentials, or they have expired',
    'run `gcloud auth application-default login`',
  ),
  'quota-project': failed(
    "a user's credentials name no quota project, or one that the user may not use",
    'run `gcloud auth application-default set-quota-project PROJECT`',
  ),
  'service-disabled': failed(
    'a service of Google Cloud is not enabled in the project',
    'run the `gcloud services enable` of the hint or `pulumi up`, and wait a few minutes',
  ),
  'billing-disabled': failed(
    'the project has no billing account, or a closed one',
    'link one that is open to the project',
  ),
  bigquery: failed('BigQuery did not carry out a statement, for the reason that it gives', RESUME),
  'bigquery-denied': failed(
    'a role is missing in BigQuery',
    'docs/iam.md lists the roles that each account needs',
  ),
  'bigquery-late': failed(
    'after an interrupt BigQuery did not end a statement in time',
    '`history` shows what became of the run',
  ),
  'job-stuck': failed(
    'a job of BigQuery did not end in as long as BigQuery lets one run; it was cancelled, and the source table is untouched, or merged whole',
    `look at the job with the \`bq\` of the hint; ${RESUME}`,
  ),
  'source-partition': failed(
    'the source table takes no query without a filter on its partition column, which `reseal:partitionColumn` does not name; or it names another column than the table is partitioned by',
    'set `reseal:partitionColumn` to the column that the message names, `pulumi up`',
  ),
  'too-many-partitions': failed(
    'a statement of the merge would modify rows in more partitions of the source table than the 4,000 that BigQuery lets one modify; a run of the job ends before anything is staged, one of the workflow in its merge',
    'take fewer rows at a time with `--limit`, which goes by id (docs/runbook.md)',
  ),
  'source-streaming': failed(
    'rows that insertAll streamed into the source table of late cannot be changed yet',
    `half an hour later: ${RESUME}`,
  ),
  'snapshot-gone': failed(
    "BigQuery no longer has the tables as of the run's moment, which it keeps for seven days",
    '`reseal abandon RUN`, and start a new run, which takes its values',
  ),
  'bigquery-missing': failed('a table, a column of one or the dataset is missing', 'run `pulumi up`'),
  'bigquery-busy': failed(
    'BigQuery turned a statement away as often as it was tried: a limit, another transaction, or a fault of its own that passes',
    `a few minutes later: ${RESUME}`,
  ),
  'bigquery-unreachable': failed('BigQuery cannot be reached', `check the network; ${RESUME}`),
  'keyset-exhausted': failed(
    'the run would cross the bound of seals under the newest version of the first-level keyset: 2^32, in deterministic keying 2^48',
    'make the next version with `npm run reseal -- keys rotate`, then run it again',
  ),
  'keyset-missing': failed(
    'the table of keysets lacks the version that the run began with',
    `restore its row by time travel; ${RESUME}`,
  ),
  keyset: failed(
    "the first-level keyset cannot be used: its key does not open it, or the keysets table lacks the run's version",
    'restore the row of `keysets` by time travel: `kms_key` has to name the key that wrapped it',
  ),
  'keyset-type': failed(
    'the first-level keyset is of the type of another keying; nothing was staged',
    'set `reseal:keying` back, or start a new run: a run takes the newest keyset of its keying',
  ),
  'kms-denied': failed(
    'a role is missing on a key',
    'grant roles/cloudkms.cryptoKeyDecrypter to the account that the message is about',
  ),
  'kms-key': failed('there is no such key', 'check `reseal:sourceKek` and `reseal:bigqueryKek`'),
  'kms-key-disabled': failed(
    'a key version that is needed is disabled or scheduled for destruction',
    `enable the version that the message names, after its restoring where it is scheduled; ${RESUME}`,
  ),
  'kms-unavailable': failed(
    'Cloud KMS let no call through for ten minutes because of its quota, or failed for two minutes',
    `ask for more quota or lower \`reseal:kmsCallsPerSecond\`; ${RESUME}`,
  ),
  batch: failed(
    'Dataproc did not take the batch, for the reason that it gives, or could not be asked about it for ten minutes',
    RESUME,
  ),
  'batch-denied': failed('a role is missing to create batches', 'docs/iam.md lists the roles'),
  'batch-failed': failed(
    "the batch failed; its driver's last lines are in the hint, which the ledger does not keep",
    RESUME,
  ),
  'batch-cancelled': failed('somebody cancelled the batch', RESUME),
  'batch-stuck': failed(
    'a batch had not started after half an hour, or went on beyond `reseal:ttlMinutes`; it was cancelled, and the source table is untouched',
    `see that the subnetwork has Private Google Access and lets the batch's nodes reach each other; ${RESUME}`,
  ),
  'spark-failed': failed('Spark failed, for the reason that it gives', RESUME),
  'count-mismatch': failed('the batch staged another number of values than it selected', RESUME),
  'value-pattern': failed(
    'RE2 itself does not take the `valuePattern` of a field; no value was opened',
    'write a simpler pattern, `pulumi up`; report it, since the setting should have said so',
  ),
  'job-failed': failed(
    'the job that is deployed to Cloud Run did not start, or ended before its run did; the message says why as far as Cloud Run does, and the log of its execution has the rest',
    '`--resume RUN --via workflow` goes on',
  ),
  'job-environment': usage(
    'the job that is deployed to Cloud Run was started by hand, without what the program and Cloud Run give it',
    'start a run with `npm run trigger`, or with `--via workflow`',
  ),
  'workflow-missing': usage(
    'the stack deploys no workflow, or it is gone',
    'add dataproc or bigquery to `reseal:engines` if neither is there, then run `npm run bundle` and `pulumi up`',
  ),
  'workflow-denied': failed('a role is missing to start the workflow', 'docs/iam.md lists the roles'),
  'workflow-failed': failed(
    "the execution failed without a code of Reseal's; the message is the workflow's own",
    '`--resume RUN --via workflow` goes on',
  ),
  'workflow-cancelled': failed('somebody cancelled the execution', '`--resume RUN --via workflow` goes on'),
  workflow: failed('in the ledger: a failure of Workflows itself', '`--resume RUN --via workflow` goes on'),
  'argument-mode': failed(
    'an execution was started with a mode that does not exist',
    'the message lists the modes',
  ),
  'argument-engine': failed(
    "an execution was started with an engine that the stack's workflow does not have",
    'the message lists the engines',
  ),
  'rejected-share': {
    when: 'more values would be rejected than `reseal:maxRejectedShare` allows; the source table is untouched',
    remedy: 'look at the reason that the message names; `--resume RUN --accept-rejected` merges the rest',
    exit: 'rejected',
  },
  'verify-count': failed(
    'sealed and rejected values are not the selected ones; the source table is untouched',
    RESUME,
  ),
  'verify-open': failed(
    'BigQuery cannot open a staged value, or it opens to something else; the source table is untouched',
    'check `reseal:bigqueryKek`; please report it if it happens again',
  ),
  'merge-count': failed(
    'staged rows have gone since they were verified; the source table is untouched',
    '`--resume RUN` stages them anew',
  ),
  'data-keys-gone': failed(
    'the data keys that BigQuery was brought are not all there: another process drives the run, or a day has passed; the source table is untouched',
    '`--resume RUN` brings them anew',
  ),
  'run-taken-over': failed(
    'another process has taken the run over and goes on with it',
    '`history` shows what becomes of it',
  ),
  'merge-state': failed(
    'somebody else ended the run between verify and merge',
    `${RESUME}; where \`history\` says that it was abandoned, start a new run`,
  ),
  cancelled: {
    when: 'ctrl-C, SIGTERM or SIGHUP, which a closed terminal sends (129); or ctrl-D at a question of `init`',
    remedy:
      '`--resume RUN` goes on with a run; of another command the message says what has happened and how to go on',
    exit: 'cancelled',
  },
  'cancel-failed': failed(
    'as a cause: a batch or an execution could not be cancelled, or nobody knows whether there is one; it may go on by itself',
    'cancel it by hand, or take what it does with `--resume RUN`',
  ),
  'cancel-pending': failed(
    'a batch that was cancelled had not ended ten minutes later; as a cause: a cancelled batch or execution had not ended a moment later',
    RESUME,
  ),
  internal: failed('a bug', 'please report it; `RESEAL_DEBUG=1` prints the stack trace'),
} as const satisfies Readonly<Record<string, ErrorCode>>;

/** After these no `--resume` is of use, or not yet: what is, their remedies say. */
export const NOT_RESUMED: readonly (keyof typeof ERROR_CODES)[] = [
  'run-unknown',
  'run-live',
  'run-abandoned',
  'run-taken-over',
  'resume-changed',
  'option-engine',
  'engine-not-allowed',
  'snapshot-gone',
  'keyset-type',
  'value-pattern',
];

/**
 * What is known of a code; undefined for one that is none.
 *
 * @example
 * knownCode('merge-state')?.exit; // 'failed'
 */
export const knownCode = (code: string): ErrorCode | undefined =>
  (ERROR_CODES as Readonly<Record<string, ErrorCode>>)[code];

/**
 * The process's exit code for an error; one that nobody knows is a failure.
 *
 * @example
 * exitCodeOf('rejected-share'); // 3
 */
export function exitCodeOf(code: string): number {
  return EXIT[knownCode(code)?.exit ?? 'failed'];
}

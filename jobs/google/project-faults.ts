import { ResealError } from '../contract/errors.ts';

/** What a failure says of itself, as far as it tells what is wrong with the project or the credentials. */
export interface Said {
  readonly message: string;
  /** Reasons of google.rpc.ErrorInfo and of REST errors. */
  readonly reasons: readonly string[];
  /** ErrorInfo's metadata: `service` is a host name, `consumer` the project that the call counts for. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const LOGIN = 'run `gcloud auth application-default login`';

/** What google-auth-library says without credentials, and the token endpoint of ones that have expired. */
const NO_CREDENTIALS =
  /could not load the default credentials|unable to read the credential file|\binvalid_grant\b|\binvalid_rapt\b/i;
/**
 * A user's credentials without a quota project. ErrorInfo calls that SERVICE_DISABLED, too: the call counts for the
 * project of gcloud's own OAuth client, one of the two numbers.
 * https://cloud.google.com/docs/authentication/adc-troubleshooting/user-creds
 */
const QUOTA_PROJECT =
  /requires? a quota project|authenticated using end user credentials|\bproject 764086051850\b|\bproject 32555940559\b/i;
const GCLOUDS_OWN = ['projects/764086051850', 'projects/32555940559'];
/** https://cloud.google.com/apis/docs/troubleshooting and, for REST, the reasons that precede ErrorInfo */
const DISABLED = ['SERVICE_DISABLED', 'accessNotConfigured'];
const DISABLED_WORDS = /has not been used in project \S+ before or it is disabled|has not enabled BigQuery/;
/** BigQuery says billingNotEnabled, Cloud Storage accountDisabled and UserProjectAccountProblem, the others the first. */
const UNBILLED = ['BILLING_DISABLED', 'billingNotEnabled', 'accountDisabled', 'UserProjectAccountProblem'];
const UNBILLED_WORDS =
  /requires billing to be enabled|billing has not been enabled for this project|billing account (?:for the owning project )?is disabled|absent billing account|has billing disabled/i;

const serviceIn = (message: string): string | undefined => /\b([a-z]+\.googleapis\.com)\b/.exec(message)?.[1];
const projectIn = (message: string): string | undefined =>
  /\bproject(?:=|\s+#?)([a-z0-9][a-z0-9-]*[a-z0-9])/.exec(message)?.[1];

/**
 * What is wrong with the project or with the caller's credentials, where a failure says that; null for any other. A
 * service answers PERMISSION_DENIED to most of it, though no role is missing.
 *
 * @returns ResealError `no-credentials`, `quota-project`, `service-disabled` or `billing-disabled`
 */
export function projectFault({ message, reasons, metadata = {} }: Said): ResealError | null {
  const service = metadata.service ?? serviceIn(message) ?? 'a service';
  const project = metadata.consumer?.replace(/^projects\//, '') ?? projectIn(message) ?? 'PROJECT';
  const says = (known: readonly string[]): boolean => reasons.some((reason) => known.includes(reason));
  if (NO_CREDENTIALS.test(message))
    return new ResealError(
      'no-credentials',
      'no Google Cloud credentials were found, or they are no longer valid',
      { hint: LOGIN },
    );
  if (says(['USER_PROJECT_DENIED']))
    return new ResealError('quota-project', `this account may not use ${project} as its quota project`, {
      hint: `grant roles/serviceusage.serviceUsageConsumer on project ${project} to it, or name another: \`gcloud auth application-default set-quota-project PROJECT\``,
    });
  if (QUOTA_PROJECT.test(message) || GCLOUDS_OWN.includes(metadata.consumer ?? ''))
    return new ResealError('quota-project', `${service} wants a quota project beside a user's credentials`, {
      hint: 'name the project of the stack: `gcloud auth application-default set-quota-project PROJECT`, or GOOGLE_CLOUD_QUOTA_PROJECT',
    });
  if (says(UNBILLED) || UNBILLED_WORDS.test(message))
    return new ResealError('billing-disabled', `billing is not enabled: ${message}`, {
      hint: `link a billing account that is open: \`gcloud billing projects link ${project} --billing-account ACCOUNT\``,
    });
  if (says(DISABLED) || DISABLED_WORDS.test(message))
    return new ResealError('service-disabled', `${service} is not enabled in project ${project}`, {
      hint: `\`gcloud services enable ${service} --project ${project}\` or \`pulumi up\`, then wait a few minutes`,
    });
  return null;
}

/** The same for a text that carries a service's sentence: what a batch or an execution failed with. */
export const projectFaultIn = (message: string): ResealError | null => projectFault({ message, reasons: [] });

import { batchVcpus } from '../contract/batch.ts';
import type { Deployment } from '../contract/deployment.ts';
import type { TableResource } from '../google/bigquery.ts';
import { googleFailure } from '../google/failures.ts';
import type { QuotaLimit, ServiceUsage } from '../google/service-usage.ts';
import { type Finding, inBatches, ok, wrong } from './finding.ts';

/** Quotas against what the settings make of them. The limits are the project's; what of them others use is not known. */
export async function checkQuotas(
  d: Deployment,
  source: TableResource | null,
  usage: ServiceUsage,
): Promise<Finding[]> {
  const kmsLocation = /\/locations\/([^/]+)\//.exec(d.sourceKek)?.[1] ?? d.location;
  // Calls count on the project that makes them, in the region that serves them: https://cloud.google.com/kms/quotas
  const kms = limit(
    'quota of Cloud KMS',
    'cloudkms',
    () => usage.quotas(d.project, 'cloudkms'),
    (limits) => kmsFinding(d, source, smallest(limits.filter(ofCryptography), kmsLocation)),
  );
  const cpus = limit(
    'quota of CPUs',
    'compute',
    () => usage.quota(d.project, 'compute', 'cpus'),
    (limits) => cpuFinding(d, smallest(limits, d.location)),
  );
  return Promise.all(d.engines.includes('dataproc') ? [kms, cpus] : [kms]);
}

async function limit(
  check: string,
  api: string,
  ask: () => Promise<QuotaLimit[]>,
  judge: (limits: QuotaLimit[]) => Finding,
): Promise<Finding> {
  try {
    return judge(await ask());
  } catch (error) {
    return wrong(
      'unknown',
      check,
      googleFailure(error).message,
      `grant roles/serviceusage.serviceUsageViewer on the project to see, or compare with https://console.cloud.google.com/apis/api/${api}.googleapis.com/quotas`,
    );
  }
}

/** Decrypting under keys of Cloud KMS itself, by the minute; those of hardware and of other places have limits of their own. */
const ofCryptography = ({ metric, unit }: QuotaLimit): boolean =>
  unit.startsWith('1/min') && /crypto/.test(metric) && !/hsm|external|ekm/.test(metric);

/** The limit that holds in a region; null where none is named. */
function smallest(limits: readonly QuotaLimit[], region: string): number | null {
  const own = limits.filter((one) => one.region?.toLowerCase() === region.toLowerCase());
  const holding = own.length > 0 ? own : limits.filter((one) => one.region === null);
  return holding.length === 0 ? null : Math.min(...holding.map((one) => one.limit));
}

/** `kmsCallsPerSecond` against the quota of cryptographic requests, and how long a table may take at that rate. */
function kmsFinding(
  { batch: { kmsCallsPerSecond: perSecond } }: Pick<Deployment, 'batch'>,
  source: TableResource | null,
  perMinute: number | null,
): Finding {
  const check = 'quota of Cloud KMS';
  const rows = Number(source?.numRows ?? 0);
  const minutes = Math.ceil(rows / perSecond / 60);
  const rate = `kmsCallsPerSecond ${perSecond} is ${perSecond * 60} calls a minute`;
  const long =
    rows === 0
      ? ''
      : `; ${rows} rows with a data key each take ${minutes} ${minutes === 1 ? 'minute' : 'minutes'}`;
  if (perMinute === null)
    return wrong(
      'unknown',
      check,
      `${rate}${long}; Google names no quota of cryptographic requests`,
      'compare with https://console.cloud.google.com/apis/api/cloudkms.googleapis.com/quotas',
    );
  const found = `${rate} of ${perMinute}${long}`;
  if (perSecond * 60 < perMinute) return ok(check, found);
  return wrong(
    'warning',
    check,
    found,
    `lower reseal:kmsCallsPerSecond below ${Math.max(1, Math.floor(perMinute / 60))}, since the application shares the quota; or ask for more and raise reseal:kmsQuotaPerMinute`,
  );
}

/** What a batch takes of Compute Engine's CPUs, at its start and at most. */
function cpuFinding(d: Pick<Deployment, 'batch' | 'engines' | 'location'>, limit: number | null): Finding {
  const check = 'quota of CPUs';
  const { start, most } = batchVcpus(d.batch.maxExecutors);
  const takes = `a batch takes ${start} vCPUs at its start and up to ${most}`;
  if (limit === null)
    return wrong(
      'unknown',
      check,
      `${takes}; Google names no quota CPUS in ${d.location}`,
      'compare with https://console.cloud.google.com/apis/api/compute.googleapis.com/quotas',
    );
  const found = `${takes}; the quota CPUS of ${d.location} is ${limit}`;
  if (limit >= most) return ok(check, found);
  if (limit >= start)
    return wrong(
      'warning',
      check,
      found,
      'ask for more, or lower reseal:maxExecutors to what a batch can get',
    );
  return wrong(inBatches(d), check, found, 'ask for more: no batch starts below that');
}

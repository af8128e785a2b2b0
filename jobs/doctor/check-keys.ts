import { algorithmOf, mostSeals } from '../contract/algorithms.ts';
import type { Deployment } from '../contract/deployment.ts';
import type { Endpoints } from '../google/clients.ts';
import { kmsClient } from '../google/clients.ts';
import { googleFailure } from '../google/failures.ts';
import type { RunContext } from '../run/context.ts';
import { type Finding, ok, wrong } from './finding.ts';

/**
 * Both keys: BigQuery uses only one that is in the region of the query, and its primary version must be enabled.
 * https://cloud.google.com/bigquery/docs/reference/standard-sql/aead_encryption_functions
 */
export async function checkKeys(d: Deployment, endpoints?: Endpoints): Promise<Finding[]> {
  const client = await kmsClient(endpoints);
  const state = async (what: string, name: string): Promise<Finding> => {
    try {
      const [key] = await client.getCryptoKey({ name });
      const found = `the primary version is ${key.primary?.state ?? 'absent'}`;
      if (key.primary?.state === 'ENABLED') return ok(what, found);
      return wrong('failed', what, found, `enable or restore a version of ${name}`);
    } catch (error) {
      const { status, message } = googleFailure(error);
      if (status === 'PERMISSION_DENIED')
        return wrong(
          'unknown',
          what,
          'this account may not look at the key',
          'grant roles/cloudkms.viewer on it to see',
        );
      return wrong('failed', what, message, 'check reseal:sourceKek and reseal:bigqueryKek');
    }
  };
  try {
    return [await state('source key', d.sourceKek), await state('BigQuery key', d.bigqueryKek), keyRegion(d)];
  } finally {
    await client.close();
  }
}

/** BigQuery takes keys of the query's own region only. */
export function keyRegion(d: Deployment): Finding {
  const check = 'region of the BigQuery key';
  const location = /\/locations\/([^/]+)\//.exec(d.bigqueryKek)?.[1] ?? '';
  if (location.toLowerCase() === d.location.toLowerCase()) return ok(check, location);
  return wrong(
    'failed',
    check,
    `the key is in ${location}, the stack in ${d.location}`,
    'name a key of the region in reseal:bigqueryKek: BigQuery takes no other, and none of `global`',
  );
}

/**
 * The first-level keyset: under which key, and how many seals are left before it has to be rotated. Readers use the
 * newest of each type.
 */
export async function checkKeyset({ deployment, bigquery, sql }: RunContext): Promise<Finding> {
  const check = 'first-level keyset';
  const newest = await bigquery.query(sql.newestKeysets, {});
  const elsewhere = newest.find(({ kms_key: key }) => key !== deployment.bigqueryKek);
  if (elsewhere !== undefined)
    return wrong(
      'warning',
      check,
      `version ${elsewhere.version} is wrapped by ${elsewhere.kms_key}, the stack's roles stand on ${deployment.bigqueryKek}`,
      'set reseal:bigqueryKek to that key and run `pulumi up`, or move the keyset with `npm run reseal -- keys rewrap` (docs/runbook.md)',
    );
  const sealing = newest.find(({ algorithm }) => algorithm === algorithmOf(deployment.keying));
  if (sealing === undefined) return ok(check, 'none yet: the first run makes it');
  const version = sealing.version ?? null;
  const [row] = await bigquery.query(sql.sealsUnder, { version });
  const seals = Number(row?.seals);
  const most = mostSeals(sealing.algorithm ?? '');
  const found = `version ${version}, ${seals} of ${most.text} seals made`;
  if (seals <= most.count / 2) return ok(check, found);
  return wrong(
    'warning',
    check,
    found,
    'rotate the keyset (docs/runbook.md): a run does not cross the bound',
  );
}

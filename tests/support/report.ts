import type { RunPageData } from '../../jobs/cli/page/data.ts';
import { LEDGER, type LedgerJson, type LedgerName, type LedgerRow } from '../../jobs/contract/ledger.ts';
import type { Report } from '../../jobs/run/report.ts';

/** Columns of the ledger that a page has no eye for are NULL, so that a new one asks for nothing here. */
const NOTHING = Object.fromEntries(Object.keys(LEDGER).map((name) => [name, null])) as unknown as LedgerJson;

/** The report of a run that never was: a thousand values, twenty of them rejected. */
export const aReport = (given: Partial<Report> = {}): Report => ({
  ...NOTHING,
  run_id: '20260102-030405-9f3a1c',
  state: 'succeeded',
  via: 'job',
  engine: 'direct',
  mode: 'pending',
  source_format: 'gcm',
  keying: 'row',
  keyset_version: 1,
  snapshot: '2026-01-02T03:04:05.000Z',
  id_from: '-9223372036854775808',
  id_cutoff: '9223372036854775807',
  selected: 1000,
  distinct_deks: 117,
  attempt: 'reseal_20260102_030405_9f3a1c_load_1',
  staged: 980,
  rejected: 20,
  unauthenticated: 0,
  erased: 0,
  merged: 980,
  changed_meanwhile: 0,
  kms_calls: 117,
  started_at: '2026-01-02T03:04:05.250Z',
  staging_at: '2026-01-02T03:04:05.300Z',
  staged_at: '2026-01-02T03:04:05.900Z',
  verified_at: '2026-01-02T03:04:06.200Z',
  ended_at: '2026-01-02T03:04:06.250Z',
  merged_at: '2026-01-02T03:04:06.500Z',
  batch_id: null,
  milli_dcu_seconds: null,
  cost_usd: 0.000351,
  error_code: null,
  error: null,
  reasons: { authentication: 8, 'dek-refused': 3, encoding: 2, 'key-length': 4, truncated: 3 },
  rejected_staged: 0,
  read_back: { checked: 980, readable: 980 },
  seconds: 1.5,
  planned: { kms_calls: 117, minutes: 0.0039, cost_usd: 0.000351 },
  cost_parts: { kms_usd: 0.000351, dataproc_usd: 0 },
  ...given,
});

const STACK = {
  stack: 'prod',
  project: 'example-data-prod',
  dataset: 'encryption_poc',
  tables: {
    source: 'users',
    staging: 'users_temp',
    rejected: 'users_rejected',
    keysets: 'keysets',
    runs: 'runs',
    shredded: 'users_shredded',
    dataKeys: 'data_keys',
  },
};
const KMS_KEY = 'projects/example-data-prod/locations/us-central1/keyRings/reseal-prod/cryptoKeys/bigquery';

/** A run of an earlier day. */
const earlier = (day: number, changes: Partial<Report>): Report =>
  aReport({
    run_id: `2025123${day}-030405-aaaaa${day}`,
    snapshot: `2025-12-3${day}T03:04:05.000Z`,
    started_at: `2025-12-3${day}T03:04:05.250Z`,
    ended_at: `2025-12-3${day}T03:04:0${6 + day}.250Z`,
    merged_at: `2025-12-3${day}T03:04:0${6 + day}.500Z`,
    ...changes,
  });

/** The page's data around a report. */
export function aPage(report: Report, given: Partial<RunPageData> = {}): RunPageData {
  const nothing = { merged: null, rejected: null, kms_calls: null, merged_at: null, cost_usd: null };
  return {
    stack: STACK,
    report,
    keysets: [
      {
        version: 2,
        algorithm: 'AEAD_AES_GCM_256',
        kms_key: KMS_KEY,
        created_at: '2025-12-30T00:00:00.000Z',
        seals: 2940,
      },
      {
        version: 1,
        algorithm: 'AEAD_AES_GCM_256',
        kms_key: KMS_KEY,
        created_at: '2025-06-01T00:00:00.000Z',
        seals: 1_000_000,
      },
    ],
    before: [
      earlier(1, { merged: 700, selected: 705, rejected: 5 }),
      earlier(0, { state: 'failed', error_code: 'kms-denied', ...nothing }),
    ],
    links: [],
    reading: {
      query: 'SELECT * FROM `example-data-prod.encryption_poc_read.users` ORDER BY `id` LIMIT 100;',
      script:
        'DECLARE reseal_keyset BYTES DEFAULT (SELECT wrapped FROM `example-data-prod.encryption_poc.keysets`);\nSELECT 1;',
    },
    ...given,
  };
}

const UNTOUCHED = {
  rejected: null,
  unauthenticated: null,
  erased: null,
  merged: null,
  changed_meanwhile: null,
  staged: null,
  kms_calls: null,
  cost_usd: null,
  staged_at: null,
  verified_at: null,
  merged_at: null,
  reasons: {},
  read_back: { checked: 0, readable: 0 },
  cost_parts: { kms_usd: null, dataproc_usd: 0 },
};

/** The runs that a page must stand: large and empty, well and badly ended. */
export const pageCases = () => ({
  thousand: aPage(aReport()),
  million: aPage(
    aReport({
      run_id: '20260102-030405-million',
      via: 'workflow',
      engine: 'dataproc',
      keyset_version: 2,
      selected: 1_000_000,
      distinct_deks: 250_000,
      staged: 987_654,
      rejected: 12_346,
      merged: 987_600,
      changed_meanwhile: 54,
      erased: 1_203,
      kms_calls: 250_012,
      batch_id: 'reseal-20260102-030405-million',
      milli_dcu_seconds: 9_300_000,
      cost_usd: 0.905036,
      reasons: {
        authentication: 7_000,
        'dek-refused': 3_000,
        encoding: 1_200,
        'plaintext-not-utf8': 1_100,
        truncated: 40,
        'iv-length': 6,
      },
      read_back: { checked: 1000, readable: 1000 },
      staging_at: '2026-01-02T03:04:09.300Z',
      staged_at: '2026-01-02T03:12:40.900Z',
      verified_at: '2026-01-02T03:13:06.200Z',
      ended_at: '2026-01-02T03:13:06.250Z',
      merged_at: '2026-01-02T03:14:26.500Z',
      seconds: 621.5,
      planned: { kms_calls: 250_000, minutes: 8.9, cost_usd: 0.8741 },
      cost_parts: { kms_usd: 0.750036, dataproc_usd: 0.155 },
    }),
    {
      links: [
        {
          name: 'batch',
          url: 'https://console.cloud.google.com/dataproc/batches/us-central1/reseal-20260102-030405-million/summary?project=example-data-prod',
        },
      ],
    },
  ),
  nothing: aPage(
    aReport({
      selected: 0,
      distinct_deks: 0,
      staged: 0,
      rejected: 0,
      merged: 0,
      kms_calls: 0,
      cost_usd: 0,
      reasons: {},
      read_back: { checked: 0, readable: 0 },
      planned: { kms_calls: 0, minutes: 0, cost_usd: 0 },
      cost_parts: { kms_usd: 0, dataproc_usd: 0 },
    }),
    { before: [], keysets: [] },
  ),
  failed: aPage(
    aReport({
      ...UNTOUCHED,
      state: 'failed',
      error_code: 'kms-denied',
      error:
        "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource 'projects/example-data-prod/locations/us-central1/keyRings/application/cryptoKeys/source' (or it may not exist).",
    }),
  ),
  stopped: aPage(
    aReport({
      ...UNTOUCHED,
      state: 'failed',
      engine: 'dataproc',
      batch_id: 'reseal-20260102-030405-9f3a1c',
      error_code: 'rejected-share',
      error:
        '60 of 1000 values would be rejected, more than reseal:maxRejectedShare, 0.05, allows: 60 encoding',
      staged_at: '2026-01-02T03:04:05.900Z',
      kms_calls: 117,
      cost_usd: 0.000351,
      cost_parts: { kms_usd: 0.000351, dataproc_usd: null },
      reasons: { encoding: 60 },
      rejected_staged: 60,
    }),
    {
      before: [
        earlier(1, { mode: 'stale', selected: 0, merged: 0, rejected: 0, rewrapped: 985, erased: 12 }),
      ],
    },
  ),
  cancelled: aPage(
    aReport({
      ...UNTOUCHED,
      state: 'cancelled',
      error_code: 'cancelled',
      error: 'run 20260102-030405-9f3a1c was cancelled; the source table is untouched',
      staged_at: '2026-01-02T03:04:05.900Z',
    }),
  ),
});

const TIMES = (Object.keys(LEDGER) as LedgerName[]).filter((name) => LEDGER[name].type === 'TIMESTAMP');

/** A page's runs as the ledger has them: times in milliseconds. */
export const ledgerRows = ({ report, before }: RunPageData): LedgerRow[] =>
  [report, ...before].map((run) => {
    const times = TIMES.map((name) => [name, run[name] === null ? null : Date.parse(String(run[name]))]);
    return { ...run, ...Object.fromEntries(times) };
  });

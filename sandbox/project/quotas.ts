import { GoogleError } from '../errors/google-error.ts';
import { type Json, type Route, readJson, required } from '../http/router.ts';

/** A quota of the project's, with the limit that the sandbox says it has. */
interface Quota {
  readonly service: string;
  readonly metric: string;
  readonly unit: string;
  readonly limit: number;
}

/**
 * As of a project that has asked for nothing, but for CPUS, of which it has what a batch may grow to.
 * https://cloud.google.com/kms/quotas, https://cloud.google.com/compute/resource-usage
 */
const QUOTAS: readonly Quota[] = [
  {
    service: 'cloudkms.googleapis.com',
    metric: 'cloudkms.googleapis.com/crypto_requests',
    unit: '1/min/{project}/{region}',
    limit: 60_000,
  },
  {
    service: 'cloudkms.googleapis.com',
    metric: 'cloudkms.googleapis.com/read_requests',
    unit: '1/min/{project}/{region}',
    limit: 300,
  },
  {
    service: 'compute.googleapis.com',
    metric: 'compute.googleapis.com/cpus',
    unit: '1/{project}/{region}',
    limit: 72,
  },
];

const METRICS = '/v1beta1/{kind}/{project}/services/{service}/consumerQuotaMetrics';

/**
 * How large the project's quotas are. Nothing in the sandbox goes by them: they are there to be looked at.
 * https://cloud.google.com/service-usage/docs/reference/rest/v1beta1/services.consumerQuotaMetrics
 */
export function quotaRoutes(): Route[] {
  const limits = new Map(QUOTAS.map(({ metric, limit }) => [metric, limit]));
  const metricJson = ({ service, metric, unit }: Quota, project = ''): Json => {
    const name = `projects/${project}/services/${service}/consumerQuotaMetrics/${encodeURIComponent(metric)}`;
    const limit = String(limits.get(metric));
    return {
      name,
      metric,
      consumerQuotaLimits: [{ metric, unit, quotaBuckets: [{ effectiveLimit: limit, defaultLimit: limit }] }],
    };
  };
  return [
    {
      method: 'GET',
      path: METRICS,
      handle: ({ params }) => ({
        metrics: QUOTAS.filter(({ service }) => service === params.service).map((one) =>
          metricJson(one, params.project),
        ),
      }),
    },
    {
      method: 'GET',
      path: `${METRICS}/{metric}`,
      handle: ({ params }) => {
        const found = QUOTAS.find(
          ({ service, metric }) => service === params.service && metric === params.metric,
        );
        if (found === undefined)
          throw new GoogleError('NOT_FOUND', `Quota metric '${params.metric}' was not found.`);
        return metricJson(found, params.project);
      },
    },
    {
      method: 'POST',
      path: '/sandbox/v1/project:quota',
      handle: async (call) => {
        const { metric, limit } = await readJson(call);
        limits.set(required(metric, 'metric'), Number(limit));
        return {};
      },
    },
  ];
}

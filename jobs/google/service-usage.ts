import { authorised, type Endpoints } from './clients.ts';

/** Service Usage answers for so many services at once. https://cloud.google.com/service-usage/docs/reference/rest/v1/services/batchGet */
const MOST_SERVICES = 30;

/** What Service Usage says of a project. Both methods throw the client library's error. */
export interface ServiceUsage {
  /** Those of some APIs (`bigquery`) that are off. */
  off(project: string, apis: readonly string[]): Promise<string[]>;
  /** The limits of all quota metrics of an API. */
  quotas(project: string, api: string): Promise<QuotaLimit[]>;
  /** The limits of one quota metric, named without its API's name (`cpus`). */
  quota(project: string, api: string, metric: string): Promise<QuotaLimit[]>;
}

/** The limit of a metric in a place. https://cloud.google.com/service-usage/docs/reference/rest/v1beta1/services.consumerQuotaMetrics */
export interface QuotaLimit {
  /** For example `cloudkms.googleapis.com/crypto_requests`. */
  readonly metric: string;
  /** For example `1/min/{project}/{region}`. */
  readonly unit: string;
  /** The region that it holds in; null for one that holds wherever no other does. */
  readonly region: string | null;
  /** Units; Infinity where there is none. */
  readonly limit: number;
}

interface Metric {
  readonly metric?: string;
  readonly consumerQuotaLimits?: readonly {
    readonly unit?: string;
    readonly quotaBuckets?: readonly {
      readonly effectiveLimit?: string;
      readonly dimensions?: { readonly region?: string };
    }[];
  }[];
}

export async function serviceUsage(endpoints?: Endpoints): Promise<ServiceUsage> {
  const { origins, auth } = await authorised(endpoints);

  async function get<T>(path: string): Promise<T> {
    const { data } = await auth.request<T>({ url: `${origins.serviceUsage}/${path}` });
    return data;
  }
  const metrics = (project: string, api: string): string =>
    `v1beta1/projects/${project}/services/${api}.googleapis.com/consumerQuotaMetrics`;

  return {
    async off(project, apis) {
      const found: string[] = [];
      for (let at = 0; at < apis.length; at += MOST_SERVICES) {
        const names = apis
          .slice(at, at + MOST_SERVICES)
          .map((api): [string, string] => ['names', `projects/${project}/services/${api}.googleapis.com`]);
        const path = `v1/projects/${project}/services:batchGet?${new URLSearchParams(names)}`;
        const { services = [] } = await get<{ services?: { name?: string; state?: string }[] }>(path);
        found.push(
          ...services
            .filter(({ state }) => state !== 'ENABLED')
            .map(({ name = '' }) => name.split('/').at(-1)?.replace('.googleapis.com', '') ?? ''),
        );
      }
      return found;
    },
    async quotas(project, api) {
      const { metrics: found = [] } = await get<{ metrics?: Metric[] }>(metrics(project, api));
      return found.flatMap(limitsOf);
    },
    async quota(project, api, metric) {
      const name = encodeURIComponent(`${api}.googleapis.com/${metric}`);
      return limitsOf(await get<Metric>(`${metrics(project, api)}/${name}`));
    },
  };
}

/** A bucket without a dimension holds where no narrower one does; a limit of -1 is none. */
const limitsOf = ({ metric = '', consumerQuotaLimits = [] }: Metric): QuotaLimit[] =>
  consumerQuotaLimits.flatMap(({ unit = '', quotaBuckets = [] }) =>
    quotaBuckets.map(({ effectiveLimit, dimensions }) => {
      const limit = Number(effectiveLimit ?? 0);
      return {
        metric,
        unit,
        region: dimensions?.region ?? null,
        limit: limit < 0 ? Number.POSITIVE_INFINITY : limit,
      };
    }),
  );

/** Where a client library looks for hosts that it calls without a proxy: @grpc/grpc-js in the first and last, others in both others. */
const LISTS = ['no_proxy', 'NO_PROXY', 'no_grpc_proxy'] as const;
const LOOPBACK = ['127.0.0.1', 'localhost'];

/**
 * Has this process and its children call loopback directly where the environment names a proxy for HTTP, which Google's
 * clients would go by for any host. What is listed already stays.
 */
export function callLoopbackDirectly(env: NodeJS.ProcessEnv = process.env): void {
  const listed = LISTS.flatMap((name) => env[name]?.split(',') ?? []).filter((host) => host !== '');
  const hosts = [...new Set([...listed, ...LOOPBACK])].join(',');
  for (const name of LISTS) env[name] = hosts;
}

/** Where client libraries look for a proxy, and for the hosts that they call without one. */
const PROXIES = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'grpc_proxy'];
const DIRECT = ['no_proxy', 'NO_PROXY', 'no_grpc_proxy'];
const LOOPBACK = ['127.0.0.1', 'localhost'];

/**
 * What Google's clients go by before the endpoint that they are given: another host, and a certificate to show there.
 * https://google.aip.dev/auth/4114 has the last.
 */
const OTHERS = ['BIGQUERY_EMULATOR_HOST', 'STORAGE_EMULATOR_HOST', 'GOOGLE_API_USE_CLIENT_CERTIFICATE'];

/**
 * Takes out of the environment of this process, which its children have too, what would keep Google's clients from a
 * sandbox. Hosts that are called without a proxy stay listed.
 */
export function onlyLoopback(env: NodeJS.ProcessEnv = process.env): void {
  for (const name of OTHERS) delete env[name];
  if (!PROXIES.some((name) => env[name])) return;
  const listed = DIRECT.flatMap((name) => env[name]?.split(',') ?? []).filter((host) => host !== '');
  const hosts = listed.includes('*') ? '*' : [...new Set([...listed, ...LOOPBACK])].join(',');
  for (const name of DIRECT) env[name] = hosts;
}

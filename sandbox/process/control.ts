import { GoogleError } from '../errors/google-error.ts';
import { type Route, readJson, required } from '../http/router.ts';
import type { Keys } from '../kms/keys.ts';
import type { Traffic } from '../kms/traffic.ts';

/** What Google has no call for: health, call counters, key material. docs/sandbox.md */
export function controlRoutes(keys: Keys, traffic: Traffic): Route[] {
  return [
    {
      method: 'GET',
      path: '/sandbox/v1/health',
      handle: () => ({ status: 'ok', pid: process.pid, residentBytes: process.memoryUsage.rss() }),
    },
    { method: 'GET', path: '/sandbox/v1/kms:calls', handle: () => ({ keys: traffic.calls() }) },
    {
      method: 'POST',
      path: '/sandbox/v1/kms:reset',
      handle: () => {
        traffic.reset();
        return {};
      },
    },
    {
      // A version is destroyed when the time that it was scheduled for has come, which nobody waits for here.
      method: 'POST',
      path: '/sandbox/v1/kms:destroy',
      handle: async (call) => {
        const name = required((await readJson(call)).name, 'name');
        const [, key = '', number] = /^(.+)\/cryptoKeyVersions\/(\d+)$/.exec(name) ?? [];
        const version = keys.version(key, Number(number));
        if (version.state !== 'DESTROY_SCHEDULED')
          throw new GoogleError('FAILED_PRECONDITION', `The key version is ${version.state}.`);
        version.state = 'DESTROYED';
        keys.save();
        return { name, state: version.state };
      },
    },
    {
      method: 'POST',
      path: '/sandbox/v1/kms:import',
      handle: async (call) => {
        const body = await readJson(call);
        const name = required(body.name, 'name');
        const material = Buffer.from(required(body.materialBase64, 'materialBase64'), 'base64');
        if (material.length !== 32) {
          throw new GoogleError('INVALID_ARGUMENT', 'materialBase64 must be 32 bytes (AES-256), in base64.');
        }
        const { versions } = keys.key(name);
        const known = versions.findIndex((version) => version.material === material.toString('base64'));
        const number = known >= 0 ? known + 1 : keys.addVersion(name, material);
        return { name: `${name}/cryptoKeyVersions/${number}` };
      },
    },
  ];
}

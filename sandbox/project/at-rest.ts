import { GoogleError } from '../errors/google-error.ts';
import { objectOr, type Route, readJson, text } from '../http/router.ts';
import type { Policy } from '../iam/policy.ts';
import { holds } from '../iam/roles.ts';
import type { Keys } from '../kms/keys.ts';

/** Which property of a new resource names the key that its data are encrypted with. */
const PROPERTIES = ['encryption', 'defaultEncryptionConfiguration', 'encryptionConfiguration'];

/**
 * Routes that make a resource with a key for its data at rest: the key has to be there, and an agent of Google's be
 * allowed to use it. https://cloud.google.com/bigquery/docs/customer-managed-encryption#grant_permission
 */
export const withKeyAtRest = (routes: readonly Route[], keys: Keys, policy: Policy): Route[] =>
  routes.map((route) =>
    route.method !== 'POST' || route.path.startsWith('/upload/')
      ? route
      : {
          ...route,
          async handle(call) {
            const body = await readJson(call);
            for (const property of PROPERTIES) {
              const { kmsKeyName, defaultKmsKeyName } = objectOr(body[property]);
              const name = text(kmsKeyName ?? defaultKmsKeyName);
              if (name !== undefined) usable(name, keys, policy);
            }
            return route.handle(call);
          },
        },
  );

function usable(name: string, keys: Keys, policy: Policy): void {
  keys.key(name);
  const permission = 'cloudkms.cryptoKeyVersions.useToEncrypt';
  const granted = policy.bindings.some(({ resource, role }) => resource === name && holds(role, permission));
  if (granted) return;
  throw new GoogleError(
    'PERMISSION_DENIED',
    `Permission '${permission}' denied on resource '${name}' (or it may not exist).`,
  );
}

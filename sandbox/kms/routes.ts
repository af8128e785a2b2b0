import { crc32c } from '../../jobs/envelope/crc32c.ts';
import { GoogleError } from '../errors/google-error.ts';
import type { Faults } from '../faults/plane.ts';
import { KEY, LOCATION, RING, VERSION } from '../http/paths.ts';
import { type Call, type Json, objectOr, type Route, readJson, required, text } from '../http/router.ts';
import { disabled, type Keys, type KeyVersion } from './keys.ts';
import type { Operation, Traffic } from './traffic.ts';

/** Largest plaintext and AAD of a software key: https://cloud.google.com/kms/quotas */
const MAX_PLAINTEXT = 64 * 1024;

/** Cloud KMS v1: https://cloud.google.com/kms/docs/reference/rest */
export function kmsRoutes(keys: Keys, traffic: Traffic, faults: Faults): Route[] {
  return [
    {
      method: 'POST',
      path: `${LOCATION}/keyRings`,
      handle: ({ params, query }) => {
        const name = `${locationName(params)}/keyRings/${required(query.get('keyRingId'), 'keyRingId')}`;
        keys.createKeyRing(name);
        return { name, ...keys.keyRings[name] };
      },
    },
    {
      method: 'GET',
      path: `${LOCATION}/keyRings`,
      handle: ({ params }) => ({
        keyRings: Object.entries(keys.keyRings)
          .filter(([name]) => name.startsWith(`${locationName(params)}/`))
          .map(([name, ring]) => ({ name, ...ring })),
      }),
    },
    {
      method: 'GET',
      path: RING,
      handle: ({ params }) => {
        const name = ringName(params);
        const ring = keys.keyRings[name];
        if (!ring) throw new GoogleError('NOT_FOUND', `KeyRing ${name} not found.`);
        return { name, ...ring };
      },
    },
    { method: 'POST', path: `${RING}/cryptoKeys`, handle: (call) => createKey(keys, call) },
    {
      method: 'GET',
      path: `${RING}/cryptoKeys`,
      handle: ({ params }) => ({
        cryptoKeys: Object.keys(keys.cryptoKeys)
          .filter((name) => name.startsWith(`${ringName(params)}/`))
          .map((name) => keyJson(keys, name)),
      }),
    },
    { method: 'GET', path: KEY, handle: ({ params }) => keyJson(keys, keyName(params)) },
    {
      method: 'PATCH',
      path: KEY,
      handle: async (call) => {
        const key = keys.key(keyName(call.params));
        Object.assign(key, keyFields(await readJson(call)));
        keys.save();
        return keyJson(keys, keyName(call.params));
      },
    },
    {
      method: 'GET',
      path: `${KEY}/cryptoKeyVersions`,
      handle: ({ params }) => ({
        cryptoKeyVersions: keys
          .key(keyName(params))
          .versions.map((version, index) => versionJson(keyName(params), index + 1, version)),
      }),
    },
    {
      method: 'POST',
      path: `${KEY}/cryptoKeyVersions`,
      handle: ({ params }) => {
        const name = keyName(params);
        const number = keys.addVersion(name);
        return versionJson(name, number, keys.version(name, number));
      },
    },
    { method: 'GET', path: VERSION, handle: ({ params }) => readVersion(keys, params) },
    { method: 'PATCH', path: VERSION, handle: (call) => patchVersion(keys, call) },
    {
      method: 'POST',
      path: `${VERSION}:destroy`,
      handle: ({ params }) => {
        const version = keys.version(keyName(params), Number(params.version));
        mustBe(version, 'ENABLED', 'DISABLED');
        version.state = 'DESTROY_SCHEDULED';
        keys.save();
        return readVersion(keys, params);
      },
    },
    {
      method: 'POST',
      path: `${VERSION}:restore`,
      handle: ({ params }) => {
        const version = keys.version(keyName(params), Number(params.version));
        mustBe(version, 'DESTROY_SCHEDULED');
        version.state = 'DISABLED';
        keys.save();
        return readVersion(keys, params);
      },
    },
    {
      method: 'POST',
      path: `${KEY}:updatePrimaryVersion`,
      handle: async (call) => {
        const name = keyName(call.params);
        const number = Number((await readJson(call)).cryptoKeyVersionId);
        keys.version(name, number);
        keys.key(name).primary = number;
        keys.save();
        return keyJson(keys, name);
      },
    },
    {
      method: 'POST',
      path: `${KEY}:encrypt`,
      handle: (call) => encrypt(keys, faults, call),
      watch: counting(traffic, 'encrypt'),
    },
    {
      method: 'POST',
      path: `${KEY}:decrypt`,
      handle: (call) => decrypt(keys, faults, call),
      watch: counting(traffic, 'decrypt'),
    },
  ];
}

async function encrypt(keys: Keys, faults: Faults, call: Call): Promise<Json> {
  const name = keyName(call.params);
  const body = await readJson(call);
  const plaintext = bytes(body, 'plaintext');
  const aad = bytes(body, 'additionalAuthenticatedData');
  const fault = faultOf(keys, faults, 'encrypt', call);
  if (plaintext.length > MAX_PLAINTEXT) throw tooLong('plaintext');
  const verifiedPlaintextCrc32c = verify(body, 'plaintext', plaintext);
  const verifiedAdditionalAuthenticatedDataCrc32c = verify(body, 'additionalAuthenticatedData', aad);
  const { version, ciphertext } = keys.encrypt(name, plaintext, aad);
  return {
    name: `${name}/cryptoKeyVersions/${version}`,
    ciphertext: damaged(ciphertext, fault).toString('base64'),
    ciphertextCrc32c: checksum(ciphertext, fault),
    verifiedPlaintextCrc32c,
    verifiedAdditionalAuthenticatedDataCrc32c,
    protectionLevel: 'SOFTWARE',
  };
}

async function decrypt(keys: Keys, faults: Faults, call: Call): Promise<Json> {
  const name = keyName(call.params);
  const body = await readJson(call);
  const ciphertext = bytes(body, 'ciphertext');
  const aad = bytes(body, 'additionalAuthenticatedData');
  const fault = faultOf(keys, faults, 'decrypt', call);
  verify(body, 'ciphertext', ciphertext);
  verify(body, 'additionalAuthenticatedData', aad);
  const { version, plaintext } = keys.decrypt(name, ciphertext, aad);
  return {
    plaintext: damaged(plaintext, fault).toString('base64'),
    plaintextCrc32c: checksum(plaintext, fault),
    usedPrimary: version === keys.key(name).primary,
    protectionLevel: 'SOFTWARE',
  };
}

const counting =
  (traffic: Traffic, operation: Operation): NonNullable<Route['watch']> =>
  (what, params) =>
    what === 'failed' ? traffic.failed(keyName(params)) : traffic.received(keyName(params), operation);

/** What is to be wrong with the answer. @throws GoogleError for a key version that is to be unusable */
function faultOf(
  keys: Keys,
  faults: Faults,
  operation: Operation,
  { params, caller }: Call,
): string | undefined {
  const method = { service: 'kms', method: `cryptoKeys.${operation}` } as const;
  const [rule] = faults.hit('kms', method, caller.member);
  if (rule?.kind !== 'key-disabled' && rule?.kind !== 'key-destroy-scheduled') return rule?.kind;
  const version = `${keyName(params)}/cryptoKeyVersions/${keys.key(keyName(params)).primary}`;
  throw disabled(version, rule.kind === 'key-disabled' ? 'DISABLED' : 'DESTROY_SCHEDULED');
}

/** https://cloud.google.com/kms/docs/data-integrity-guidelines: the server checks what the client sums. */
function verify(body: Json, field: string, data: Buffer): boolean {
  const given = body[`${field}Crc32c`];
  if (given === undefined || given === null) return false;
  const value = typeof given === 'object' ? objectOr(given).value : given;
  if (String(value) === String(crc32c(data))) return true;
  const snake = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  throw new GoogleError(
    'INVALID_ARGUMENT',
    `The checksum in field ${snake}_crc32c did not match the data in field ${snake}.`,
  );
}

/** int64 in JSON is a decimal string. */
function checksum(data: Buffer, fault: string | undefined): string {
  const sum = crc32c(data);
  return String(fault === 'corrupt-crc32c' ? (sum ^ 1) >>> 0 : sum);
}

function damaged(data: Buffer, fault: string | undefined): Buffer {
  if (fault !== 'corrupt-bytes' || data.length === 0) return data;
  const copy = Buffer.from(data);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}

function bytes(body: Json, field: string): Buffer {
  return Buffer.from(text(body[field]) ?? '', 'base64');
}

const tooLong = (field: string) =>
  new GoogleError('INVALID_ARGUMENT', `The ${field} is longer than ${MAX_PLAINTEXT} bytes.`);

async function createKey(keys: Keys, call: Call): Promise<Json> {
  const body = await readJson(call);
  const purpose = body.purpose ?? 'ENCRYPT_DECRYPT';
  // 1 is ENCRYPT_DECRYPT where a client encodes enums as numbers.
  if (purpose !== 'ENCRYPT_DECRYPT' && purpose !== 1) {
    throw new GoogleError(
      'UNIMPLEMENTED',
      `The sandbox has keys of purpose ENCRYPT_DECRYPT only, not ${purpose}.`,
    );
  }
  const id = required(call.query.get('cryptoKeyId'), 'cryptoKeyId');
  const name = `${ringName(call.params)}/cryptoKeys/${id}`;
  keys.createCryptoKey(name, keyFields(body));
  return keyJson(keys, name);
}

/** The fields of a key that a caller may set. */
function keyFields(body: Json) {
  const rotationPeriod = text(body.rotationPeriod);
  const nextRotationTime = text(body.nextRotationTime);
  return {
    ...(body.labels === undefined ? {} : { labels: objectOr(body.labels) as Record<string, string> }),
    ...(rotationPeriod === undefined ? {} : { rotationPeriod }),
    ...(nextRotationTime === undefined ? {} : { nextRotationTime }),
  };
}

async function patchVersion(keys: Keys, call: Call): Promise<Json> {
  const version = keys.version(keyName(call.params), Number(call.params.version));
  const state = (await readJson(call)).state;
  // 1 and 2 are ENABLED and DISABLED where a client encodes enums as numbers.
  const wanted = state === 1 ? 'ENABLED' : state === 2 ? 'DISABLED' : state;
  if (wanted !== 'ENABLED' && wanted !== 'DISABLED') {
    throw new GoogleError('INVALID_ARGUMENT', 'A key version can be set to ENABLED or DISABLED.');
  }
  mustBe(version, 'ENABLED', 'DISABLED');
  version.state = wanted;
  keys.save();
  return readVersion(keys, call.params);
}

/** https://cloud.google.com/kms/docs/key-states: what may become of a version in which state. */
function mustBe({ state }: KeyVersion, ...states: readonly KeyVersion['state'][]): void {
  if (!states.includes(state)) throw new GoogleError('FAILED_PRECONDITION', `The key version is ${state}.`);
}

function keyJson(keys: Keys, name: string): Json {
  const { createTime, primary, labels, rotationPeriod, nextRotationTime } = keys.key(name);
  return {
    name,
    primary: versionJson(name, primary, keys.version(name, primary)),
    purpose: 'ENCRYPT_DECRYPT',
    createTime,
    versionTemplate: { protectionLevel: 'SOFTWARE', algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION' },
    labels,
    ...(rotationPeriod ? { rotationPeriod } : {}),
    ...(nextRotationTime ? { nextRotationTime } : {}),
  };
}

const readVersion = (keys: Keys, params: Record<string, string>) =>
  versionJson(keyName(params), Number(params.version), keys.version(keyName(params), Number(params.version)));

const versionJson = (key: string, number: number, version: KeyVersion): Json => ({
  name: `${key}/cryptoKeyVersions/${number}`,
  state: version.state,
  createTime: version.createTime,
  protectionLevel: 'SOFTWARE',
  algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION',
});

const locationName = (params: Record<string, string>) =>
  `projects/${params.project}/locations/${params.location}`;
const ringName = (params: Record<string, string>) => `${locationName(params)}/keyRings/${params.ring}`;
const keyName = (params: Record<string, string>) => `${ringName(params)}/cryptoKeys/${params.key}`;

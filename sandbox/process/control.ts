import type { Batches } from '../dataproc/batches.ts';
import { GoogleError } from '../http/errors.ts';
import { type Json, objectOr, type Route, readJson, required, text } from '../http/router.ts';
import type { Keys } from '../kms/keys.ts';
import type { Fault, Traffic, TrafficRules } from '../kms/traffic.ts';

const OPERATIONS = ['encrypt', 'decrypt'];
const KINDS = ['unavailable', 'quota', 'internal', 'denied', 'corrupt-crc32c', 'corrupt-bytes'];

/** What Google has no call for: health, call counters and faults, key material. docs/sandbox.md */
export function controlRoutes(keys: Keys, traffic: Traffic, batches: Batches): Route[] {
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
      method: 'POST',
      path: '/sandbox/v1/kms:faults',
      handle: async (call) => ({ ...traffic.set(rulesOf(await readJson(call))) }),
    },
    {
      method: 'POST',
      path: '/sandbox/v1/dataproc:faults',
      handle: async (call) => {
        const body = await readJson(call);
        const count = number(body.count, 'count');
        batches.failNext(count, text(body.output) ?? '');
        return { count };
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

function rulesOf(body: Json): Partial<TrafficRules> {
  const rules: Partial<TrafficRules> = {};
  if (body.latencyMs !== undefined) rules.latencyMs = number(body.latencyMs, 'latencyMs');
  if (body.callsPerSecond !== undefined) {
    rules.callsPerSecond =
      body.callsPerSecond === null ? null : number(body.callsPerSecond, 'callsPerSecond');
  }
  if (body.faults !== undefined) {
    rules.faults = (Array.isArray(body.faults) ? body.faults : []).map(faultOf);
  }
  return rules;
}

function faultOf(item: unknown): Fault {
  const { operation = 'decrypt', from = 1, count = 1, kind, retryAfterSeconds } = objectOr(item);
  if (!OPERATIONS.includes(String(operation)) || !KINDS.includes(String(kind))) {
    throw new GoogleError(
      'INVALID_ARGUMENT',
      `A fault is {operation: ${OPERATIONS.join(' | ')}, from, count, kind: ${KINDS.join(' | ')}}.`,
    );
  }
  return {
    operation: operation as Fault['operation'],
    from: number(from, 'from'),
    count: number(count, 'count'),
    kind: kind as Fault['kind'],
    ...(retryAfterSeconds === undefined
      ? {}
      : { retryAfterSeconds: number(retryAfterSeconds, 'retryAfterSeconds') }),
  };
}

function number(value: unknown, name: string): number {
  if (typeof value === 'number' && value >= 0) return value;
  throw new GoogleError('INVALID_ARGUMENT', `${name} must be a number, zero or more.`);
}

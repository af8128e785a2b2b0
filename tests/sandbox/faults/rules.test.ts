import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { rulesOfFile } from '../../../sandbox/faults/file.ts';
import { METHOD_NAMES, methodOf, SERVICES } from '../../../sandbox/faults/methods.ts';
import { Faults } from '../../../sandbox/faults/plane.ts';
import { parseRules } from '../../../sandbox/faults/rules.ts';
import { METHODS } from '../../../sandbox/iam/methods.ts';

const JOB = 'user:job@sandbox.invalid';
const OWNER = 'user:owner@sandbox.invalid';
const DECRYPT = { service: 'kms', method: 'cryptoKeys.decrypt' } as const;

/** Which of so many calls a rule hits. */
function hits(
  rule: object,
  calls = 10,
  member = JOB,
  method: Parameters<Faults['hit']>[1] = DECRYPT,
): number[] {
  const faults = new Faults();
  faults.set(parseRules({ rules: [rule] }));
  return Array.from({ length: calls }, (_, at) => at + 1).filter(
    () => faults.hit('call', method, member).length > 0,
  );
}

it.each([
  ['the first call', {}, [1]],
  ['the nth', { from: 4 }, [4]],
  ['so many from the nth on', { from: 4, count: 3 }, [4, 5, 6]],
  ['all from the nth on', { from: 8, count: null }, [8, 9, 10]],
  ['those of a method', { method: 'cryptoKeys.decrypt', from: 2 }, [2]],
  ['none of another method', { method: 'cryptoKeys.encrypt' }, []],
])('a rule hits %s', (_which, rule, expected) => {
  expect(hits({ service: 'kms', kind: 'internal', ...rule })).toEqual(expected);
});

it('a share is drawn with the seed: the same calls again, others with another', () => {
  const rule = { service: 'kms', kind: 'internal', share: 0.3 };
  const first = hits({ ...rule, seed: 1 }, 1000);
  expect(first.length).toBeGreaterThan(240);
  expect(first.length).toBeLessThan(360);
  expect(hits({ ...rule, seed: 1 }, 1000)).toEqual(first);
  expect(hits({ ...rule, seed: 2 }, 1000)).not.toEqual(first);
  expect(hits({ ...rule, count: 5, from: 500 }, 1000)).toHaveLength(5);
});

it("the owner's calls are spared unless a rule names them", () => {
  const rule = { service: 'kms', kind: 'denied' };
  expect(hits(rule, 3, OWNER)).toEqual([]);
  expect(hits({ ...rule, member: OWNER }, 3, OWNER)).toEqual([1]);
  expect(hits({ ...rule, member: OWNER }, 3, JOB)).toEqual([]);
});

it('says how many calls a rule was for, and how many it hit', () => {
  const faults = new Faults();
  const [rule] = parseRules({ rules: [{ service: 'kms', kind: 'drop', from: 2 }] });
  if (rule === undefined) throw new Error('no rule');
  faults.set([rule]);
  for (let call = 0; call < 5; call++) faults.hit('call', DECRYPT, JOB);
  expect(faults.states()).toEqual([{ rule, calls: 5, hits: 1 }]);
});

/** Methods that only a deployment calls (sandbox/project): nothing of a run meets their faults. */
const SET_UP =
  /IamPolicy$|\/iam$|\/services\/|\/locations\/\{location\}\/(workflows|jobs)$|\/(metrics|alertPolicies|dashboards|networks|subnetworks|firewalls|serviceAccounts)$|^GET \/v1\/projects\/\{project\}$/;

it('every method that a run calls has a name for rules', () => {
  const served = Object.keys(METHODS).filter(
    (route) => !route.includes('/workflows/') && !SET_UP.test(route),
  );
  const unnamed = served.filter((route) => {
    const [method = '', path = ''] = route.split(' ');
    return methodOf({ method, path }) === undefined;
  });
  expect(unnamed).toEqual([]);
  expect(SERVICES.flatMap((service) => METHOD_NAMES[service]).length).toBeGreaterThan(50);
});

it.each([
  ['no rules', {}, /^rules: /],
  [
    'a kind that is none',
    { rules: [{ service: 'kms', kind: 'rain' }] },
    /^rules\[0\]\.kind: must be one of latency, /,
  ],
  ['a service that is none', { rules: [{ service: 'moon', kind: 'drop' }] }, /^rules\[0\]\.service: /],
  [
    'a method that is none',
    { rules: [{ service: 'kms', kind: 'drop', method: 'open' }] },
    /^rules\[0\]\.method: kms has /,
  ],
  ['a property that is none', { rules: [{ service: 'kms', kind: 'drop', nth: 3 }] }, /nth/],
  ['a fault of jobs elsewhere', { rules: [{ service: 'kms', kind: 'job-stuck' }] }, /^rules\[0\]\.service: /],
  ['a share above one', { rules: [{ service: 'kms', kind: 'drop', share: 2 }] }, /^rules\[0\]\.share: /],
  [
    'a missing property',
    {
      rules: [
        { service: 'kms', kind: 'drop' },
        { service: 'kms', kind: 'latency' },
      ],
    },
    /^rules\[1\]\.ms: /,
  ],
])('%s is turned down by name', (_what, input, message) => {
  expect(() => parseRules(input)).toThrow(
    expect.objectContaining({ code: 'faults-rule', message: expect.stringMatching(message) }),
  );
});

it('a file that is missing, or none, has a code of its own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reseal-faults-'));
  try {
    const file = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    await expect(rulesOfFile(join(folder, 'none'))).rejects.toMatchObject({ code: 'faults-file' });
    await expect(rulesOfFile(file('bad.yaml', 'rules: ['))).rejects.toMatchObject({ code: 'faults-file' });
    await expect(rulesOfFile(file('wrong.yaml', 'rules: [{}]'))).rejects.toMatchObject({
      code: 'faults-rule',
    });
    const json = file('good.json', '{"rules": [{"service": "kms", "kind": "drop"}]}');
    expect(await rulesOfFile(json)).toMatchObject([{ kind: 'drop', from: 1, when: 'before' }]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

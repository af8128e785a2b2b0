import { underRules } from '../../sandbox/faults/calls.ts';
import { Faults } from '../../sandbox/faults/plane.ts';
import { parseRules } from '../../sandbox/faults/rules.ts';

/** A process with a rule of kind `kill`; its argument says when. It says so if it carries the call out. */
const faults = new Faults();
faults.set(parseRules({ rules: [{ service: 'kms', kind: 'kill', when: process.argv[2] }] }));
const passing = {
  service: 'kms',
  method: 'cryptoKeys.decrypt',
  member: 'user:somebody@sandbox.invalid',
  denied: () => {
    throw new Error('not asked for');
  },
} as const;
await underRules(faults, passing, () => {
  process.stdout.write('carried out\n');
});
process.stdout.write('still alive\n');

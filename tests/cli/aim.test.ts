import { describe, expect, it } from 'vitest';
import { aimedAt } from '../../jobs/cli/aim.ts';

describe('a command that a message names', () => {
  it.each([
    ['`npm run trigger`', '`npm run trigger -- --stack prod`'],
    ['`npm run trigger -- --mode stale`', '`npm run trigger -- --mode stale --stack prod`'],
    ['`npm run reseal -- keys rotate`', '`npm run reseal -- keys rotate --stack prod`'],
    ['`npm run reseal -- keys`', '`npm run reseal -- keys --stack prod`'],
    [
      '`reseal doctor` and `reseal abandon a-1`',
      '`reseal doctor --stack prod` and `reseal abandon a-1 --stack prod`',
    ],
  ])('%s works on the same stack', (text, aimed) => {
    expect(aimedAt({ stack: 'prod', state: '.reseal' }, text)).toBe(aimed);
  });

  it.each([
    '`npm run reseal -- history --stack other`',
    '`npm run trigger -- --state there`',
    '`npm run bundle`, then `pulumi up`',
    '`npm run reseal -- vectors`',
    '`--resume a-1` goes on with it',
    'run npm run trigger',
  ])('is left alone where it takes no such option, or has one: %s', (text) => {
    expect(aimedAt({ stack: 'prod' }, text)).toBe(text);
  });

  it('names the folder of a sandbox that is not the usual one, as a shell takes it', () => {
    const text = 'run `npm run trigger` first';
    expect(aimedAt({ state: '.reseal' }, text)).toBe(text);
    expect(aimedAt({ state: '/tmp/x' }, text)).toBe('run `npm run trigger -- --state /tmp/x` first');
    expect(aimedAt({ state: "it's here" }, text)).toBe(
      "run `npm run trigger -- --state 'it'\\''s here'` first",
    );
  });
});

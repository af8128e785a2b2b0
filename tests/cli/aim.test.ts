import { afterEach, describe, expect, it } from 'vitest';
import { aimAt, aimedAt, aimedCommand, commandAt } from '../../jobs/cli/aim.ts';

afterEach(() => aimAt({}));

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
    ['`npm run bundle`, then `pulumi up`', '`npm run bundle`, then `pulumi up --stack prod`'],
    ['`pulumi up --refresh` grants them', '`pulumi up --refresh --stack prod` grants them'],
  ])('%s works on the same stack', (text, aimed) => {
    expect(aimedAt({ stack: 'prod', state: '.reseal' }, text)).toBe(aimed);
  });

  it.each([
    '`npm run reseal -- history --stack other`',
    '`npm run trigger -- --state there`',
    '`pulumi up --stack other`',
    '`pulumi stack ls` and `pulumi login`',
    '`npm run reseal -- vectors`',
    '`--resume a-1` goes on with it',
    'run npm run trigger',
  ])('is left alone where it takes no such option, or has one: %s', (text) => {
    expect(aimedAt({ stack: 'prod' }, text)).toBe(text);
  });

  it('names the folder of a sandbox that is not the usual one, as a shell takes it', () => {
    const text = 'run `npm run trigger` first';
    expect(aimedAt({ state: '/tmp/x' }, '`pulumi up`')).toBe('`pulumi up`');
    expect(aimedAt({ state: '.reseal' }, text)).toBe(text);
    expect(aimedAt({ state: '/tmp/x' }, text)).toBe('run `npm run trigger -- --state /tmp/x` first');
    expect(aimedAt({ state: "it's here" }, text)).toBe(
      "run `npm run trigger -- --state 'it'\\''s here'` first",
    );
  });

  it('may stand without backquotes', () => {
    aimAt({ stack: 'prod' });
    expect(aimedCommand('npm run reseal -- rejected a-1')).toBe(
      'npm run reseal -- rejected a-1 --stack prod',
    );
  });

  it('stands as it is to be typed where a line has nothing else', () => {
    const command = 'npm run reseal -- read --limit 3';
    expect(commandAt({ state: '.reseal' }, command)).toBe(command);
    expect(commandAt({ state: 'a folder' }, command)).toBe(`${command} --state 'a folder'`);
  });
});

import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('that this is no machine of Google’s is no warning; all others are', () => {
  const script = `
    const { silenceMetadata } = await import('./jobs/cli/warnings.ts');
    silenceMetadata();
    process.emitWarning('received unexpected error', 'MetadataLookupWarning');
    process.emitWarning('still said', 'AnotherWarning');
  `;
  const node = ['--import', 'tsx', '--input-type=module', '-e', script];
  const { stderr } = spawnSync(process.execPath, node, { encoding: 'utf8' });
  expect(stderr).toContain('AnotherWarning: still said');
  expect(stderr).not.toContain('Metadata');
});

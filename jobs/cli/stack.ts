import { table } from './table.ts';

/** Deploys, previews or removes an ephemeral stack, and says what changed. */
export async function stack(action: 'up' | 'preview' | 'down', name: string): Promise<void> {
  process.stderr.write('loading Pulumi …\n');
  const stacks = await import('../stack/ephemeral.ts');
  const { changes, outputs } = await stacks[action](name, (line) => process.stderr.write(line));
  process.stdout.write(table(Object.entries(changes)));
  if (action === 'up' && Object.keys(outputs).length > 0)
    process.stdout.write(`\nnext: npm run trigger -- --stack ${name}\n`);
}

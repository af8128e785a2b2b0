import { onInterrupt, type Told } from './interrupt.ts';
import { table } from './table.ts';

type Action = 'up' | 'preview' | 'down';

/** Deploys, previews or removes an ephemeral stack, and says what changed. */
export async function stack(action: Action, name: string): Promise<void> {
  // Pulumi ends in good order what it has begun, and that takes as long as Google takes.
  const interrupt = onInterrupt(false, null);
  try {
    process.stderr.write('loading Pulumi …\n');
    const stacks = await import('../stack/ephemeral.ts');
    interrupt.begun(...underWay(action, name));
    const say = (line: string): unknown => process.stderr.write(line);
    const { changes, outputs } = await stacks[action](name, say, interrupt.forPrograms);
    process.stdout.write(table(Object.entries(changes)));
    if (action === 'up' && Object.keys(outputs).length > 0)
      process.stdout.write(`\nnext: npm run trigger -- --stack ${name}\n`);
  } catch (error) {
    throw interrupt.ended(error);
  } finally {
    interrupt.done();
  }
}

/** What to say where the end was not waited for, and where Pulumi ended early. */
function underWay(action: Action, name: string): [Told, Told] {
  const down = `\`npm run reseal -- stack down ${name}\``;
  const message = `stack ${name} was left as it stands; Pulumi's end was not waited for`;
  if (action === 'preview')
    return [
      { message, hint: `where there was none before, one without resources may be left: ${down} removes it` },
      { message: 'cancelled; nothing was deployed' },
    ];
  const hint =
    action === 'up'
      ? `\`npm run reseal -- stack up ${name}\` goes on; ${down} removes what is there`
      : `${down} again removes what is left`;
  const unlock = `; where Pulumi says that the stack is locked, \`pulumi cancel --stack ${name}\` first`;
  return [
    { message, hint: `${hint}${unlock}` },
    { message: `cancelled; stack ${name} is as far as Pulumi had come`, hint },
  ];
}

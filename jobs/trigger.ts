/** `npm run trigger -- …`: one run. The same as `npm run reseal -- trigger …`. */
import { main } from './cli/program.ts';

await main(['trigger', ...process.argv.slice(2)]);

/** The process behind `npm run reseal -- COMMAND …` and `npm run trigger`. */
import { main } from './program.ts';

await main(process.argv.slice(2));

#!/usr/bin/env node
/** The command line, as `npx reseal` and the scripts of package.json start it. TypeScript runs as it stands, by tsx. */
import 'tsx';

await import('../jobs/cli/main.ts');

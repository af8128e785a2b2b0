#!/usr/bin/env node
/** The command line, as `npx reseal` and the scripts of package.json start it. */
import { compiled } from './compiled.js';

await import((await compiled('jobs/cli/main.ts')).href);

import { begin } from './runs.ts';

/** Carries out a run, as a process that can be killed. */
const { deployment, endpoints, options } = JSON.parse(process.argv[2] ?? '');
process.once('disconnect', () => process.exit(1));
await begin(deployment, endpoints, options);
process.exit(0);

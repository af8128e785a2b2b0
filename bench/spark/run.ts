import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureVenv, sparkOf } from '../../jobs/spark/venv.ts';

/** `npm run bench:spark`: see bench.py for what is measured; it takes the further arguments. */
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const python = await ensureVenv();
const child = spawn(python, [path('bench.py'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PYTHONPATH: ['../../jobs/spark', '../../tests/spark/application', '../../tools/python']
      .map(path)
      .join(delimiter),
    ...sparkOf(python).env,
  },
});
// The terminal sends ctrl-C to both processes; this one waits until bench.py has removed its folder.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('close', (code) => {
  process.exitCode = code ?? 1;
});

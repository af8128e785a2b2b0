import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensureVenv } from '../../jobs/spark/venv.ts';

/** `npm run bench:spark`: see bench.py for what is measured; further arguments go to it. */
const script = fileURLToPath(new URL('bench.py', import.meta.url));
const application = fileURLToPath(new URL('../../jobs/spark', import.meta.url));
const python = await ensureVenv();
const child = spawn(python, [script, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, PYTHONPATH: application, PYSPARK_PYTHON: python, SPARK_LOCAL_IP: '127.0.0.1' },
});
child.on('close', (code) => {
  process.exitCode = code ?? 1;
});

import { spawn } from 'node:child_process';
import { ensureVenv } from '../../../jobs/spark/venv.ts';

/** Runs a script of the Python environment: JSON on its standard input, JSON on its standard output. */
export async function askPython<T>(script: string, question: unknown): Promise<T> {
  const python = await ensureVenv();
  return new Promise((resolve, reject) => {
    const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'pipe'] });
    let answer = '';
    let complaint = '';
    child.stdout.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(answer) as T);
      else reject(new Error(`${script} ended with ${code}:\n${complaint.slice(-2000)}`));
    });
    child.stdin.end(JSON.stringify(question));
  });
}

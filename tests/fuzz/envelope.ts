import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Finding } from './findings.ts';
import { dekInputs, type Expecting, patternInputs, sealedInputs, sourceInputs } from './inputs.ts';
import { Random } from './mutations.ts';
import { outcomeOf } from './outcomes.ts';

const application = fileURLToPath(new URL('../../jobs/spark', import.meta.url));
const support = fileURLToPath(new URL('../spark/application', import.meta.url));
/** Inputs that one Python process gets: it holds them all. */
const AT_ONCE = 20_000;

const KINDS = {
  sources: sourceInputs,
  deks: dekInputs,
  keysets: sealedInputs,
  patterns: patternInputs,
} as const;
export type EnvelopeKind = keyof typeof KINDS;

/**
 * Gives the same inputs to the TypeScript and the Python code. Each opens or rejects them, both say the same, and
 * nothing opens to what nobody encrypted.
 */
export async function fuzzEnvelope(
  kind: EnvelopeKind,
  seed: number,
  count: number,
  python: string,
): Promise<Finding[]> {
  const random = new Random(seed, kind);
  const findings: Finding[] = [];
  for (let done = 0; done < count; done += AT_ONCE) {
    const inputs = [...KINDS[kind](random, Math.min(AT_ONCE, count - done))];
    const there = await inPython(inputs, python);
    for (const [at, { input, authentic }] of inputs.entries()) {
      let here: string;
      try {
        here = outcomeOf(input);
      } catch (error) {
        findings.push({ what: `${kind}: TypeScript failed with ${error}`, input });
        continue;
      }
      if (here !== there[at])
        findings.push({ what: `${kind}: TypeScript says ${here}, Python ${there[at]}`, input });
      if (authentic !== null && here.startsWith('opened') && !authentic.has(here))
        findings.push({ what: `${kind}: a forgery was opened`, input });
    }
  }
  return findings;
}

/** The outcomes by the Spark application's code. */
function inPython(inputs: readonly Expecting[], python: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PYTHONPATH: `${application}:${support}` };
    const child = spawn(python, ['-m', 'support.outcomes'], { cwd: application, env });
    let [answer, complaint] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-4000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      const outcomes = answer.split('\n').slice(0, -1);
      if (code === 0 && outcomes.length === inputs.length) resolve(outcomes);
      else
        reject(
          new Error(
            `Python ended with ${code} after ${outcomes.length} of ${inputs.length} inputs:\n${complaint}`,
          ),
        );
    });
    child.stdin.on('error', () => {});
    child.stdin.end(inputs.map(({ input }) => `${JSON.stringify(input)}\n`).join(''));
  });
}

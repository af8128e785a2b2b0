import { testSandbox } from '../support/sandbox.ts';
import { fuzzEnvelope } from './envelope.ts';
import { fuzzFiles } from './files.ts';
import type { Finding } from './findings.ts';
import { fuzzHttp } from './http.ts';
import { fuzzSql } from './sql.ts';

/** The share of the inputs that each target gets; a file, a request or a statement costs more than a value. */
export const SHARES = {
  sources: 0.45,
  deks: 0.15,
  keysets: 0.25,
  patterns: 0.07,
  files: 0.01,
  http: 0.05,
  sql: 0.02,
} as const;
type TargetName = keyof typeof SHARES;
const TARGETS = Object.keys(SHARES) as TargetName[];

export interface Fuzzing {
  readonly seed: number;
  readonly inputs: number;
  /** The Python of the environment. */
  readonly python: string;
  readonly targets?: readonly string[];
  readonly said?: (line: string) => void;
}

/** Gives mutated inputs to everything that reads what others wrote; returns the bugs that it found. */
export async function fuzz({
  seed,
  inputs,
  python,
  targets = TARGETS,
  said = () => {},
}: Fuzzing): Promise<Finding[]> {
  const box = await testSandbox({}, 'direct');
  const findings: Finding[] = [];
  try {
    for (const name of TARGETS.filter((one) => targets.includes(one))) {
      const count = Math.ceil(inputs * SHARES[name]);
      const began = Date.now();
      const found = await target(name, seed, count);
      said(
        `${name}: ${count} inputs, ${found.length} findings, ${((Date.now() - began) / 1000).toFixed(1)} s`,
      );
      findings.push(...found);
    }
  } finally {
    await box.close();
  }
  return findings;

  function target(name: TargetName, from: number, count: number): Promise<Finding[]> {
    if (name === 'files') return fuzzFiles(box, from, count);
    if (name === 'http') return fuzzHttp(box, from, count);
    if (name === 'sql') return fuzzSql(box, from, count);
    return fuzzEnvelope(name, from, count, python);
  }
}

import { doctor, mayStart } from '../doctor/examine.ts';
import type { Finding, Verdict } from '../doctor/finding.ts';
import { aimed } from './aim.ts';
import { runContext } from './connect.ts';
import { EXIT } from './exit.ts';
import { openTarget } from './open-target.ts';

export interface DoctorOptions {
  readonly stack?: string;
  readonly state: string;
  readonly json?: boolean;
}

/** Prints a line a check; the exit code says whether a run may start. */
export async function doctorCommand(options: DoctorOptions): Promise<void> {
  const target = await openTarget({ ...options, mustExist: true }, (text) => process.stderr.write(text));
  try {
    const context = await runContext(target, new AbortController().signal);
    const findings = (await doctor(context, target.endpoints)).map(aimedFinding);
    const text = options.json ? JSON.stringify(findings) : findingLines(findings).join('\n');
    process.stdout.write(`${text}\n`);
    if (!mayStart(findings)) process.exitCode = EXIT.failed;
  } finally {
    await target.close();
  }
}

const aimedFinding = ({ remedy, ...finding }: Finding): Finding => ({
  ...finding,
  remedy: remedy === null ? null : aimed(remedy),
});

const WORDS: Readonly<Record<Verdict, string>> = {
  ok: 'ok     ',
  warning: 'warning',
  failed: 'FAILED ',
  unknown: 'unknown',
};

/** The findings as lines, each remedy below what it mends, and what they come to. */
export function findingLines(findings: readonly Finding[]): string[] {
  const lines = findings.flatMap(({ check, verdict, found, remedy }) => [
    `${WORDS[verdict]}  ${check}: ${found}`,
    ...(remedy === null ? [] : [`         change: ${remedy}`]),
  ]);
  const count = (verdict: Verdict): number => findings.filter((one) => one.verdict === verdict).length;
  const [failed, warnings] = [count('failed'), count('warning')];
  const others = [
    [warnings, warnings === 1 ? 'warning' : 'warnings'],
    [count('unknown'), 'not checked'],
  ].flatMap(([n, what]) => (n === 0 ? [] : `${n} ${what}`));
  const outcome = failed === 0 ? 'a run may start' : `${failed} to mend before a run may start`;
  return [...lines, '', [outcome, ...others].join(', ')];
}

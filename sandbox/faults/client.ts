import type { SandboxEndpoints } from '../http/endpoints.ts';
import type { Rule } from './rules.ts';

/** Has a running sandbox go by these rules from now on. */
export async function setFaults({ control }: SandboxEndpoints, rules: readonly Rule[]): Promise<void> {
  const response = await fetch(`${control}/sandbox/v1/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rules }),
  });
  if (!response.ok) throw new Error(await response.text());
}

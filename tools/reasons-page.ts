import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { REASON_NOTES } from '../jobs/contract/reasons.ts';

/** Where the page lives; `npm run docs:reasons` writes it, a test compares it with this program's. */
export const REASONS_PAGE = 'docs/reasons.md';

const HEAD = `# Why a row was rejected
\`users_rejected.reason\` holds one of these words. TypeScript and Python use the same ones, and where several hold for a
value, the first of this table stands there: first the faults of the data key, then those of the cipher text, then those
of the value.

This table is generated from \`jobs/contract/reasons.ts\` by \`npm run docs:reasons\`.
`;

const TAIL = `A rejected value rests: it is not selected again until its cipher text, its dek or the stack's \`sourceFormat\` changes.
Three reasons are exceptions:
- \`dek-refused\` says nothing of the row, and a wrong KEK must never hide one, so every later run tries these values
  again.
- \`unauthenticated\` rests as long as the stack rejects such values: with \`reseal:unauthenticated: accept\` the next run
  takes them again.
- \`value-pattern\` rests until the field's pattern is another one, or none.

\`npm run trigger -- --mode rejected\` selects all values that were rejected as they stand and are still not sealed.

What was sealed from an *older* source of a rejected value is cleared by the same merge, since the source no longer
says it. What was sealed from the *same* source, under an earlier setting, stays as it is. A run that would reject more
than \`reseal:maxRejectedShare\` of its values, and more than ten, for the first time stops before its merge:
[runbook.md](runbook.md#too-many-rejected-values).

A value that is rejected again keeps one entry in \`users_rejected\`, that of the last run. Entries of a source that has
changed since stay; runbook.md has a query for what is rejected now.
`;

/** The whole page. */
export function reasonsPage(): string {
  const rows = Object.entries(REASON_NOTES).map(
    ([reason, { meaning, remedy }]) => `| \`${reason}\` | ${meaning} | ${remedy} |`,
  );
  return `${HEAD}\n| reason | what it means | what to do |\n|---|---|---|\n${rows.join('\n')}\n\n${TAIL}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) writeFileSync(REASONS_PAGE, reasonsPage());

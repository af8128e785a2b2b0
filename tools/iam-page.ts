import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { JOB_USER_GRANTS } from '../jobs/contract/job-user.ts';

/** The page whose last table this writes; a test compares it. */
export const IAM_PAGE = 'docs/iam.md';
const HEADING = '## Who starts runs by hand';

/** The page with the table of who starts runs as the grants are now. */
export function iamPage(page: string): string {
  const from = page.indexOf('\n\n', page.indexOf(HEADING) + HEADING.length + 2);
  const last = page.indexOf('\n\n', from + 2);
  const rest = last < 0 ? '\n' : page.slice(last);
  const rows = JOB_USER_GRANTS.map(({ role, on, when, why }) => {
    const flagged = /^(--|reseal )/.test(when) ? `\`${when}\`` : when;
    return `| \`${role}\` | ${on} | ${flagged} | ${why} |`;
  });
  return `${page.slice(0, from)}\n\n| role | on | for | why |\n|---|---|---|---|\n${rows.join('\n')}${rest}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(IAM_PAGE, iamPage(readFileSync(IAM_PAGE, 'utf8')));

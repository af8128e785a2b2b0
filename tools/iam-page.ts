import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { JOB_GRANTS } from '../jobs/contract/account-grants.ts';
import { JOB_USER_GRANTS } from '../jobs/contract/job-user.ts';

/** The page of which this writes two tables; a test compares it. */
export const IAM_PAGE = 'docs/iam.md';

/** A table of the page, the first under its heading. */
interface Table {
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const TABLES: readonly Table[] = [
  {
    heading: '## The job of Cloud Run',
    columns: ['role', 'on', 'why'],
    rows: JOB_GRANTS.map(({ role, on, why }) => [`\`${role}\``, on, why]),
  },
  {
    heading: '## Who starts runs by hand',
    columns: ['role', 'on', 'for', 'why'],
    rows: JOB_USER_GRANTS.map(({ role, on, when, why }) => {
      const flagged = /^(--|reseal )/.test(when) ? `\`${when}\`` : when;
      return [`\`${role}\``, on, flagged, why];
    }),
  },
];

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** The page with a table as it is now in place of what stands there. */
function withTable(page: string, { heading, columns, rows }: Table): string {
  const from = page.indexOf('\n\n|', page.indexOf(`\n${heading}`));
  const last = page.indexOf('\n\n', from + 2);
  const rest = last < 0 ? '\n' : page.slice(last);
  const rule = `|${columns.map(() => '---').join('|')}|`;
  return `${page.slice(0, from)}\n\n${[line(columns), rule, ...rows.map(line)].join('\n')}${rest}`;
}

/** The page with the tables of the job and of who starts runs as the grants are now. */
export const iamPage = (page: string): string => TABLES.reduce(withTable, page);

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(IAM_PAGE, iamPage(readFileSync(IAM_PAGE, 'utf8')));

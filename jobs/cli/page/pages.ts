import type { ReadContext } from '../../run/context.ts';
import type { Report } from '../../run/report.ts';
import type { ConsoleLink } from '../console-links.ts';
import { runPageData } from './data.ts';
import { runPage as made } from './run-page.ts';

/** What makes pages: loaded for `--html` and `--open` alone, since drawing takes a second to load. */
export { historyPage } from './runs.ts';

/** The page of a run, with what stands around its report. */
export const runPage = async (
  context: ReadContext,
  report: Report,
  links: readonly ConsoleLink[],
): Promise<string> => made(await runPageData(context, report, links));

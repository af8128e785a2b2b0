const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

/** The five fields in their order: what each counts, from where to where, and names that stand for numbers. */
const FIELDS = [
  { counts: 'a minute', least: 0, most: 59, names: [] },
  { counts: 'an hour', least: 0, most: 23, names: [] },
  { counts: 'a day of the month', least: 1, most: 31, names: [] },
  { counts: 'a month', least: 1, most: 12, names: MONTHS },
  // 7 is Sunday, too.
  { counts: 'a day of the week', least: 0, most: 7, names: DAYS },
] as const;

type Field = (typeof FIELDS)[number];

/** A number, a name, a range of either, or all; with a step behind it or not. */
const ENTRY = /^(?:\*|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/;

/**
 * What is wrong with a schedule, as the end of a sentence that begins with the setting's name; null if nothing is. Cloud
 * Scheduler takes five fields of unix-cron, of which each is a list of numbers, ranges and steps.
 * https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
 *
 * @example
 * cronFault('0 25 * * *'); // 'must have an hour from 0 to 23, not 25'
 */
export function cronFault(text: string): string | null {
  const parts = text.split(' ');
  if (parts.length !== FIELDS.length) return 'must be a cron expression of five fields';
  for (const [at, field] of FIELDS.entries()) {
    const part = parts[at] ?? '';
    if (!part.split(',').every((entry) => isEntry(field, entry)))
      return `must have ${field.counts} from ${field.least} to ${field.most}, not ${part}`;
  }
  return null;
}

function isEntry(field: Field, entry: string): boolean {
  const [all, from, to, step] = ENTRY.exec(entry) ?? [];
  if (all === undefined || (step !== undefined && (Number(step) < 1 || Number(step) > field.most)))
    return false;
  if (from === undefined) return true;
  if (to === undefined) return isValue(field, from);
  const backwards = /^\d+$/.test(from) && /^\d+$/.test(to) && Number(from) > Number(to);
  return isValue(field, from) && isValue(field, to) && !backwards;
}

const isValue = ({ least, most, names }: Field, text: string): boolean =>
  /^\d+$/.test(text)
    ? Number(text) >= least && Number(text) <= most
    : (names as readonly string[]).includes(text.toUpperCase());

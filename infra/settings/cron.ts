import { Cron } from 'croner';
import { judged } from './judged.ts';

/** Numbers, names, lists, ranges and steps, which unix-cron has; `L`, `W`, `#` and `?` are of other kinds of cron. */
const UNIX = /^(?:(?:[\d*,/-]|(?<![a-z])[a-z]{3}(?![a-z]))+ ){4}(?:[\d*,/-]|(?<![a-z])[a-z]{3}(?![a-z]))+$/i;

const FAULT = 'must be a cron expression of five fields';

/**
 * What is wrong with a schedule, as the end of a sentence that begins with the setting's name; null if nothing is. Cloud
 * Scheduler takes five fields of unix-cron.
 * https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
 *
 * @example
 * cronFault('0 25 * * *'); // 'must be a cron expression of five fields: Invalid value for hour'
 */
function cronFault(text: string): string | null {
  if (!UNIX.test(text)) return FAULT;
  try {
    new Cron(text, { mode: '5-part', paused: true });
    return null;
  } catch (error) {
    // Days and months are counted from 0 in the values that it names.
    return `${FAULT}: ${(error as Error).message.replace(/^CronPattern: |: -?\d+$/g, '')}`;
  }
}

/** Five fields, as Cloud Scheduler takes them. */
export const cron = judged(FAULT, cronFault);

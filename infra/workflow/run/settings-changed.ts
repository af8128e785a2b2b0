import type { Deployment } from '../../../jobs/contract/deployment.ts';
import { PATTERNS, patternsAreInFields } from '../../../jobs/contract/kept-settings.ts';
import { assign, choose, expression, raise, type Step } from '../steps.ts';

/** Ends an execution that found its run begun under other settings, and names those; the job does the same. */
export const settingsChanged = (d: Deployment): Step[] => [
  {
    list_settings: assign({
      changed: '',
      began: expression('text.split(default(map.get(row, "settings"), settings), " ")'),
    }),
  },
  {
    compare_settings: {
      for: {
        value: 'one',
        in: expression('text.split(settings, " ")'),
        steps: [
          {
            is_same: choose({
              'one in began': 'continue',
              ...(patternsAreInFields(d) && {
                [`text.match_regex(one, "^${PATTERNS}:") and text.match_regex(changed, "reseal:fields$")`]:
                  'continue',
              }),
            }),
          },
          { has_changed_before: choose({ 'changed == ""': 'name_setting' }) },
          { add_comma: assign({ changed: expression('changed + ", "') }) },
          { name_setting: assign({ changed: expression(`changed + "reseal:" + ${nameOf(d)}`) }) },
        ],
      },
    },
  },
  { is_listed: choose({ 'changed != ""': 'fail_settings_changed' }) },
  // An older version kept no list, but these two.
  { name_older: assign({ changed: 'reseal:sourceFormat or reseal:keying' }) },
  {
    fail_settings_changed: raise(
      'resume-changed',
      '"run " + run_id + " began with another value of " + changed + " than the stack has now: set it back to go on with the run, or abandon it and start a new one"',
    ),
  },
];

/** The setting of an entry. */
const nameOf = (d: Deployment): string =>
  patternsAreInFields(d)
    ? `text.replace_all(text.split(one, ":")[0], "${PATTERNS}", "fields")`
    : 'text.split(one, ":")[0]';

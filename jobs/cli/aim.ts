/**
 * Errors and findings name commands, and are made where nobody knows whether a stack or a sandbox is worked on. Before
 * they are printed, those commands get the options that say so: pasted as they stand they would work on the sandbox of
 * this folder.
 */

/** Where a command works, as its options say. */
export interface Aim {
  readonly stack?: string;
  readonly state?: string;
}

/** The folder of a sandbox that no option names. */
export const DEFAULT_STATE = '.reseal';

/** Commands in backquotes that take `--stack` and, but for Pulumi's, `--state`. */
const COMMANDS =
  /`((?:npm run trigger|pulumi up|(?:npm run reseal -- |reseal )(?:abandon|doctor|history|keys|read|rejected|sample|show|shred|sql|trigger))(?= |`)[^`]*)`/g;

let current: Aim = {};

/** From now on `aimed` goes by these options: called once for the command that is carried out. */
export function aimAt(aim: Aim): void {
  current = aim;
}

/**
 * A text whose commands work on the same stack or sandbox as this one.
 *
 * @example
 * aimedAt({ stack: 'prod' }, 'run `npm run reseal -- keys rotate`'); // 'run `npm run reseal -- keys rotate --stack prod`'
 */
export function aimedAt(aim: Aim, text: string): string {
  const option = optionOf(aim);
  if (option === '') return text;
  return text.replaceAll(COMMANDS, (whole, command: string) => {
    if (/ --(?:stack|state)\b/.test(command)) return whole;
    if (command.startsWith('pulumi ') && aim.stack === undefined) return whole;
    return command === 'npm run trigger' ? `\`${command} -- ${option}\`` : `\`${command} ${option}\``;
  });
}

/** The same for what this process was told to work on. */
export const aimed = (text: string): string => aimedAt(current, text);

/**
 * A command that stands without backquotes.
 *
 * @example
 * commandAt({ stack: 'prod' }, 'npm run reseal -- history'); // 'npm run reseal -- history --stack prod'
 */
export const commandAt = (aim: Aim, command: string): string => aimedAt(aim, `\`${command}\``).slice(1, -1);

/** The same for what this process was told to work on. */
export const aimedCommand = (command: string): string => commandAt(current, command);

function optionOf({ stack, state }: Aim): string {
  if (stack !== undefined) return `--stack ${stack}`;
  if (state === undefined || state === DEFAULT_STATE) return '';
  return `--state ${/^[\w./@%+-]+$/.test(state) ? state : `'${state.replaceAll("'", "'\\''")}'`}`;
}

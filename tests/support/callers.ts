import type { Caller } from '../../sandbox/http/caller.ts';

/** For servers of a test's own, which are about something else than permissions. */
export const EVERYBODY: Caller = {
  member: 'allUsers',
  may: () => true,
  require: () => {},
  as: () => EVERYBODY,
};

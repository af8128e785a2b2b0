import { fileURLToPath } from 'node:url';

const file = (name: string): string => fileURLToPath(new URL(`./samples/${name}`, import.meta.url));

/** About a thousand users in the `gcm` format, some of which cannot be sealed; made by samples/generate.ts. */
export const SAMPLE_USERS = file('users.ndjson');
/** The key that wraps their data keys, for importKek. */
export const SAMPLE_KEK = file('kek.json');
/** Every value that opens, `{"id", "email"}`, and every one that does not, `{"id", "reason"}`. */
export const SAMPLE_EXPECTED = file('expected.ndjson');

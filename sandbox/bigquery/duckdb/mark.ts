/**
 * Stands before an error message that a user may read: ERROR()'s, or one of a keyset function. DuckDB's own
 * messages may quote a value, so a message without the mark is replaced.
 */
export const MARK = 'sandbox-says:';

/** What job and workflow judge alike. */

/** A few values never stop a run: one bad value among three new ones is no sign of a wrong setting. */
export const FEW_REJECTED = 10;

/** After these failures the staged rows are not whole: what was staged must not be taken again. */
export const NOT_WHOLE = ['verify-count', 'verify-open', 'merge-count'] as const;

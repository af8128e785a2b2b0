/** Keywords that end what stands in a FROM clause. */
export const AFTER_FROM: ReadonlySet<string> = new Set([
  ...['WHERE', 'GROUP', 'HAVING', 'ORDER', 'LIMIT', 'QUALIFY', 'WINDOW', 'UNION', 'INTERSECT', 'EXCEPT'],
  ...['SELECT', 'WHEN', 'SET', 'THEN'],
]);
/** Keywords that may follow a table, so are not its alias. */
export const NOT_ALIAS: ReadonlySet<string> = new Set([
  ...AFTER_FROM,
  ...[
    'JOIN',
    'LEFT',
    'RIGHT',
    'INNER',
    'FULL',
    'CROSS',
    'NATURAL',
    'ON',
    'USING',
    'FOR',
    'AS',
    'TABLESAMPLE',
  ],
  ...['VALUES', 'PIVOT', 'UNPIVOT', 'WITH', 'END'],
]);
/** Words before a parenthesis that are not function names. */
export const NOT_FUNCTION: ReadonlySet<string> = new Set([
  ...['IN', 'EXISTS', 'AND', 'OR', 'NOT', 'ON', 'USING', 'AS', 'OVER', 'VALUES', 'SELECT', 'WHERE', 'FROM'],
  ...['JOIN', 'WHEN', 'THEN', 'ELSE', 'CASE', 'BY', 'HAVING', 'LIMIT', 'UNION', 'ALL', 'DISTINCT', 'INSERT'],
  ...['LIKE', 'BETWEEN', 'IS', 'WITH', 'QUALIFY', 'OFFSET', 'SET', 'REPLACE', 'EXCEPT', 'INTERSECT', 'ANY'],
  ...['SOME', 'RECURSIVE', 'ROLLUP', 'CUBE', 'FILTER', 'OF'],
]);
/** Reserved in DuckDB but not in BigQuery: `SELECT * FROM duckdb_keywords()`. */
export const DUCKDB_RESERVED: ReadonlySet<string> = new Set(
  `ANALYSE ANALYZE ASYMMETRIC BOTH CHECK COLUMN CONSTRAINT DEFERRABLE DESCRIBE DO FOREIGN INITIALLY LAMBDA
   LEADING ONLY PIVOT PIVOT_LONGER PIVOT_WIDER PLACING PRIMARY REFERENCES RETURNING SHOW SUMMARIZE SYMMETRIC
   TABLE TRAILING UNIQUE UNPIVOT VARIADIC USER`.split(/\s+/),
);
/** Clauses that see the aliases of the SELECT list. */
export const TAIL: ReadonlySet<string> = new Set(['GROUP', 'HAVING', 'ORDER', 'QUALIFY']);
/** What the rewrite would carry over, and DuckDB read as something else. */
export const UNSUPPORTED: ReadonlySet<string> = new Set([
  'STRUCT',
  'TABLESAMPLE',
  'PIVOT',
  'UNPIVOT',
  'MATCH_RECOGNIZE',
]);

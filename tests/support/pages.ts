import { readFileSync } from 'node:fs';

/** The SQL of a page, block by block, without the indentation of a list that it stands in. */
export const sqlBlocks = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/^( *)```sql\n([\s\S]*?)^ *```$/gm)].map(
    ([, indent = '', sql = '']) => sql.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );

import type { Route } from '../../http/router.ts';
import type { Backend } from '../duckdb/backend.ts';
import { flush } from '../duckdb/streamed.ts';

/** Half an hour in a moment: what insertAll streamed may be changed from now on. docs/sandbox.md */
export const streamingControlRoutes = ({ engine, catalog }: Backend): Route[] => [
  {
    method: 'POST',
    path: '/sandbox/v1/bigquery:flush',
    handle: () =>
      engine.exclusively(() =>
        engine.use(async (connection) => {
          const tables = catalog.datasets.flatMap(({ id }) => catalog.tablesOf(id));
          for (const table of tables) {
            await flush(connection, table, Date.now());
            await catalog.saveTable(connection, table);
          }
          return {};
        }),
      ),
  },
];

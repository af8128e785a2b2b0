import { move } from 'piscina';
import { type RowsPage, type RowsSetup, sealRows } from './seal-page.ts';

/** A worker thread's side of `sealPool`. */
export default function sealPage({ setup, page }: { setup: RowsSetup; page: RowsPage }) {
  const lines = sealRows(setup, page);
  // This thread's own copy.
  setup.keyset.fill(0);
  return move(lines);
}

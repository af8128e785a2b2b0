import { move } from 'piscina';
import { type PageSetup, type SourcePage, sealPage } from './seal-page.ts';

/** A worker thread's side of `sealingThreads`. */
export default function sealInThread({ setup, page }: { setup: PageSetup; page: SourcePage }) {
  const lines = sealPage(setup, page);
  // This thread's own copy.
  setup.keyset.fill(0);
  return move(lines);
}

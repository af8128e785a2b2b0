import { workerData } from 'node:worker_threads';
import { move } from 'piscina';
import { type RowsPage, type RowsSetup, rowsSealer } from './rows.ts';

/** A worker thread's side of `sealPages`: the setup came with the thread, pages come one by one. */
const seal = rowsSealer(workerData as RowsSetup);

export default function sealPage(page: RowsPage): ReturnType<typeof move> {
  return move(seal(page));
}

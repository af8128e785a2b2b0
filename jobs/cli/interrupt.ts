/**
 * Ctrl-C once ends the run in good order: the batch is cancelled, the ledger told. Twice ends the process.
 */
export function onInterrupt(): { signal: AbortSignal; done(): void } {
  const controller = new AbortController();
  const interrupted = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write('\ncancelling; once more to quit at once\n');
    controller.abort();
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  return {
    signal: controller.signal,
    done() {
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
    },
  };
}

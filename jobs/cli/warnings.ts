/**
 * What google-auth-library warns of wherever it looks for credentials on a machine that is none of Google's
 * (https://github.com/googleapis/gcp-metadata). That there are no credentials the error says that follows.
 */
const NO_MACHINE_OF_GOOGLES = 'MetadataLookupWarning';

/** From now on Node prints every warning but that one, which tells a user nothing. Called once, before any is given. */
export function silenceMetadata(): void {
  const printers = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => {
    if (warning.name === NO_MACHINE_OF_GOOGLES) return;
    for (const print of printers) print.call(process, warning);
  });
}

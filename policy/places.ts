import { RUNTIMES } from '../jobs/contract/settings/batch-settings.ts';
import { type ResourceRule, type StackRule, type Subject, text } from './rule.ts';

/** Where data and keys are, and what has keys in its memory. Buckets answer in capitals. */
const PLACED = new Set([
  'gcp:bigquery/dataset:Dataset',
  'gcp:cloudrunv2/job:Job',
  'gcp:kms/keyRing:KeyRing',
  'gcp:storage/bucket:Bucket',
]);

export const oneRegion: StackRule = {
  name: 'one-region',
  description:
    'Dataset, keys, bucket and job are in one region: KEYS.KEYSET_CHAIN takes keys of its own region only.',
  check: (subjects) => {
    const places = subjects
      .filter(({ type }) => PLACED.has(type))
      .map(({ name, props }) => ({ name, location: text(props.location).toLowerCase() }))
      .filter(({ location }) => location !== '');
    return new Set(places.map(({ location }) => location)).size > 1
      ? [
          `one region is needed, but ${places.map(({ name, location }) => `${name} is in ${location}`).join(', ')}`,
        ]
      : [];
  },
};

/** The runtime versions that a resource starts batches with, wherever in it they stand. */
function runtimes({ type, props }: Subject): string[] {
  if (type === 'gcp:dataproc/batch:Batch') {
    const { version } = (props.runtimeConfig ?? {}) as { version?: unknown };
    return [text(version)];
  }
  if (type !== 'gcp:workflows/workflow:Workflow') return [];
  const source = text(props.sourceContents);
  return [...source.matchAll(/runtimeConfig["']?:\s*\{?\s*["']?version["']?:\s*["']?([\d.]+)/g)].map(
    ([, version]) => version ?? '',
  );
}

export const supportedRuntime: ResourceRule = {
  name: 'supported-runtime',
  description: 'Batches run on a runtime that Google supports and this product was tested on.',
  check: (subject) =>
    runtimes(subject)
      .filter((version) => !(RUNTIMES as readonly string[]).includes(version))
      .map(
        (version) =>
          `runs batches on runtime ${version || '(the default of the day)'}: set reseal:runtimeVersion to ${RUNTIMES.join(' or ')}`,
      ),
};

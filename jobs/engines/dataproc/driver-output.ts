import type { Storage } from '@google-cloud/storage';

/** How many of the driver's last lines an error shows. */
const LAST_LINES = 15;

export interface DriverOutput {
  /** The whole lines that were added since the last call. */
  lines(uri: string | null | undefined): Promise<string[]>;
  /** The last lines so far, for an error. */
  lastLines(): readonly string[];
}

/**
 * Follows a driver's output. Dataproc writes it to Cloud Storage as it comes, in objects whose names are the
 * output URI and a running number. https://cloud.google.com/dataproc/docs/guides/dataproc-job-output
 */
export function driverOutput(storage: Storage): DriverOutput {
  const read = new Map<string, number>();
  let unfinished = '';
  let last: string[] = [];

  async function added(uri: string): Promise<string> {
    const [, bucket = '', prefix = ''] = /^gs:\/\/([^/]+)\/(.+)$/.exec(uri) ?? [];
    const [files] = await storage.bucket(bucket).getFiles({ prefix });
    let text = '';
    const ends = new Map<string, number>();
    for (const file of files.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const start = read.get(file.name) ?? 0;
      const size = Number(file.metadata.size ?? 0);
      if (size <= start) continue;
      const [bytes] = await file.download({ start, end: size - 1, validation: false });
      ends.set(file.name, start + bytes.length);
      text += bytes.toString();
    }
    // Only now: what was read before another file failed comes once more.
    for (const [name, end] of ends) read.set(name, end);
    return text;
  }

  return {
    async lines(uri) {
      // An empty text stands for none: the client knows no absent strings.
      if (!uri) return [];
      const lines = (unfinished + (await added(uri))).split('\n');
      unfinished = lines.pop() ?? '';
      last = [...last, ...lines.filter((line) => line.trim() !== '')].slice(-LAST_LINES);
      return lines;
    },
    lastLines: () => [...last, unfinished].filter((line) => line.trim() !== ''),
  };
}

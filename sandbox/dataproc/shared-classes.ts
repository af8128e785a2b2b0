import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalSpark } from '../../jobs/spark/venv.ts';

/** What a JVM is told so that Spark's classes are loaded and verified once, and not by every batch. */
export interface SharedClasses {
  readonly options: readonly string[];
  /** To be called once the JVM has ended well: later ones start from what it left. */
  readonly keep: () => void;
}

/** A mismatch costs time only; and some of Spark's classes cannot be archived, of which each would be told. */
const SILENT = ['-Xlog:cds=off', '-Xlog:cds+dynamic=off'];

/**
 * Java's application class-data sharing, with an archive that the first batch of an environment writes as it ends
 * (some 8 s, once) and every later one maps (a third less time on a small table). An archive of another class path
 * is not used by Java. Source: JEP 350, https://openjdk.org/jeps/350
 *
 * @param folder the batch's own; two first batches at once do not share a file
 */
export function sharedClasses({ classes, env }: LocalSpark, folder: string): SharedClasses {
  if (existsSync(classes))
    return { options: [...SILENT, `-XX:SharedArchiveFile="${classes}"`], keep: () => {} };
  // An archive rests upon the one of Java's own classes, which the environment makes.
  if (!existsSync(join(env.JAVA_HOME ?? '', 'lib/server/classes.jsa')))
    return { options: [], keep: () => {} };
  const written = join(folder, 'classes.jsa');
  return {
    options: [...SILENT, `-XX:ArchiveClassesAtExit="${written}"`],
    keep: () => {
      if (existsSync(written)) renameSync(written, classes);
    },
  };
}

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LocalSpark } from '../../../jobs/spark/venv.ts';
import { sharedClasses } from '../../../sandbox/dataproc/shared-classes.ts';

let work: string;
let spark: LocalSpark;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'reseal-classes-'));
  mkdirSync(join(work, 'java/lib/server'), { recursive: true });
  writeFileSync(join(work, 'java/lib/server/classes.jsa'), "Java's own");
  spark = {
    python: 'python',
    env: { JAVA_HOME: join(work, 'java') },
    jars: [],
    classes: join(work, 'all.jsa'),
  };
});
afterEach(() => rmSync(work, { recursive: true }));

/** A batch's folder after its JVM has ended, with the archive that it was told to write. */
function batch(name: string, { writes = true } = {}): { folder: string; keep: () => void } {
  const folder = join(work, name);
  mkdirSync(folder);
  const { options, keep } = sharedClasses(spark, folder);
  expect(options).toContain(`-XX:ArchiveClassesAtExit="${folder}/classes.jsa"`);
  if (writes) writeFileSync(join(folder, 'classes.jsa'), name);
  return { folder, keep };
}

test('the first batch that ends well leaves its classes to all later ones', () => {
  batch('failed');
  expect(existsSync(spark.classes)).toBe(false);
  batch('first').keep();
  expect(readFileSync(spark.classes, 'utf8')).toBe('first');
  expect(sharedClasses(spark, work).options).toContain(`-XX:SharedArchiveFile="${spark.classes}"`);
});

test('two first batches at once leave one whole archive', () => {
  const [one, other] = [batch('one'), batch('other')];
  one.keep();
  other.keep();
  expect(readFileSync(spark.classes, 'utf8')).toBe('other');
});

test('a JVM that wrote no archive leaves none', () => {
  batch('without', { writes: false }).keep();
  expect(existsSync(spark.classes)).toBe(false);
});

test("without an archive of Java's own classes there is none of Spark's", () => {
  rmSync(join(work, 'java/lib'), { recursive: true });
  expect(sharedClasses(spark, work).options).toEqual([]);
});

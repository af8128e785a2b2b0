import { spawn } from 'node:child_process';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ResealError } from '../../contract/errors.ts';

export interface PageOptions {
  readonly html?: string;
  readonly open?: boolean;
}

/** A page that can be written. */
export interface PageFile {
  /** Makes the page, writes it and, where asked, opens it. What makes pages is loaded for this. */
  write(make: (pages: typeof import('./pages.ts')) => Promise<string>): Promise<void>;
}

/**
 * The file of `--html`, or null where no page is asked for. Learns before the run, and not from a lost report, that it
 * cannot be written, and leaves no empty file for a run that fails. `--open` alone writes beside the system's temporary
 * files. Throws ResealError `option-html`.
 */
export async function writablePage(
  { html, open: shown = false }: PageOptions,
  name: string,
): Promise<PageFile | null> {
  if (html === undefined && !shown) return null;
  const path = html ?? join(tmpdir(), `reseal-${name}.html`);
  try {
    await mkdir(dirname(path), { recursive: true });
    await tryToWrite(path);
  } catch (error) {
    throw new ResealError('option-html', `the report cannot be written to ${path}`, {
      hint: 'name a file in a folder that you may write to',
      cause: error,
    });
  }
  return {
    async write(make) {
      await writeFile(path, await make(await import('./pages.ts')));
      if (shown) await shownInBrowser(path);
    },
  };
}

/** Leaves the file as it was, or away. */
async function tryToWrite(path: string): Promise<void> {
  try {
    await (await open(path, 'ax')).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await (await open(path, 'a')).close();
    return;
  }
  await rm(path);
}

/** The program that opens a file with whatever its user has chosen for it. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
};

/** A machine without a desktop has no browser: the page is written all the same. */
async function shownInBrowser(path: string): Promise<void> {
  const [program = 'xdg-open', ...args] = OPENERS[process.platform] ?? [];
  const child = spawn(program, [...args, resolve(path)], { stdio: 'ignore', detached: true });
  const started = await new Promise<boolean>((done) => {
    child.once('error', () => done(false));
    child.once('spawn', () => done(true));
  });
  child.unref();
  if (!started) process.stderr.write(`nothing here opens pages; it is in ${path}\n`);
}

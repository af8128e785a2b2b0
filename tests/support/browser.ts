import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** A browser of the test's own; whoever opened it closes it. */
export interface TestBrowser {
  readonly browser: Browser;
  close(): Promise<void>;
}

const FONTS = (folder: string): string => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/fonts-cache</cachedir></fontconfig>
`;

/**
 * Starts the Chromium that comes with the packages, with its own libraries and its own font alone: a page looks the same
 * on every machine. It is packed for Linux on x64; elsewhere RESEAL_CHROMIUM names one.
 */
export async function openBrowser(): Promise<TestBrowser> {
  const own = process.env.RESEAL_CHROMIUM;
  const folder = mkdtempSync(join(tmpdir(), 'reseal-browser-'));
  const close = async (browser?: Browser): Promise<void> => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const browser = own === undefined ? await packed(folder) : await chromium.launch({ executablePath: own });
    return { browser, close: () => close(browser) };
  } catch (error) {
    await close();
    throw error;
  }
}

async function packed(folder: string): Promise<Browser> {
  if (`${process.platform} ${process.arch}` !== 'linux x64')
    throw new Error('The tests bring a Chromium for Linux on x64; set RESEAL_CHROMIUM to the path of yours.');
  writeFileSync(join(folder, 'fonts.conf'), FONTS(folder));
  mkdirSync(join(folder, 'fonts-cache'));
  const before = { ...process.env };
  try {
    // It unpacks into the folder for temporary files, and its libraries where it takes the machine for AWS Lambda.
    Object.assign(process.env, { TMPDIR: folder, AWS_LAMBDA_JS_RUNTIME: 'nodejs20.x' });
    const { default: packaged } = await import('@sparticuz/chromium');
    const executablePath = await packaged.executablePath();
    const libraries = join(folder, 'al2023', 'lib');
    if (!existsSync(libraries)) throw new Error('The packed Chromium came without its libraries.');
    return await chromium.launch({
      executablePath,
      // In one process, as AWS Lambda needs it, a closed page takes the browser with it.
      args: packaged.args.filter((arg) => arg !== '--single-process'),
      env: {
        PATH: String(before.PATH),
        HOME: folder,
        TMPDIR: folder,
        LD_LIBRARY_PATH: libraries,
        FONTCONFIG_FILE: join(folder, 'fonts.conf'),
      },
    });
  } finally {
    process.env = before;
  }
}

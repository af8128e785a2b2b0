/**
 * The page's colours, by what they mean. Blue and red stay apart for people who do not tell red from green. A test
 * computes the contrasts: text 4.5 : 1 (WCAG 2.2, 1.4.3), parts of a chart 3 : 1 (1.4.11).
 */
export interface Palette {
  readonly page: string;
  /** Behind code and the figures at the top. */
  readonly panel: string;
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly link: string;
  readonly sealed: string;
  readonly rejected: string;
  readonly changed: string;
  readonly erased: string;
  /** What is neither good nor bad: what was selected, planned or called. */
  readonly neutral: string;
}

export const LIGHT: Palette = {
  page: '#ffffff',
  panel: '#f4f6f8',
  text: '#1b1f24',
  muted: '#545d68',
  line: '#d0d7de',
  link: '#0860ca',
  sealed: '#0969da',
  rejected: '#c4242f',
  changed: '#8a6100',
  erased: '#6639ba',
  neutral: '#6a737d',
};

export const DARK: Palette = {
  page: '#0d1117',
  panel: '#171d26',
  text: '#e6edf3',
  muted: '#a3adb8',
  line: '#3d444d',
  link: '#6cb6ff',
  sealed: '#58a6ff',
  rejected: '#ff7b72',
  changed: '#d9a93b',
  erased: '#bc8cff',
  neutral: '#8b949e',
};

const variables = (palette: Palette): string =>
  Object.entries(palette)
    .map(([name, colour]) => `--${name}: ${colour};`)
    .join(' ');

/** The colours as CSS variables, dark where the reader's system is. */
export const PALETTE_CSS = `:root { color-scheme: light dark; ${variables(LIGHT)} }
@media (prefers-color-scheme: dark) { :root { ${variables(DARK)} } }`;

/** A colour of the palette, for CSS and SVG alike. */
export const colour = (name: keyof Palette): string => `var(--${name})`;

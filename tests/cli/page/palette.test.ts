import { describe, expect, it } from 'vitest';
import { DARK, LIGHT, PALETTE_CSS, type Palette } from '../../../jobs/cli/page/palette.ts';

/** Relative luminance: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

it('the measure is WCAG’s', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
});

/** What is written in the colour: words of the page, and the badge of a state. */
const WRITTEN = ['text', 'muted', 'link', 'sealed', 'rejected', 'changed'] as const;
const DRAWN = ['sealed', 'rejected', 'changed', 'erased', 'neutral', 'muted'] as const;

describe.each([
  ['light', LIGHT],
  ['dark', DARK],
])('%s', (_, palette: Palette) => {
  it.each(WRITTEN)('%s can be read: AA, 4.5 : 1', (name) => {
    expect(contrast(palette[name], palette.page)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(['text', 'muted', 'link'] as const)('%s can be read on a panel', (name) => {
    expect(contrast(palette[name], palette.panel)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(DRAWN)('%s can be seen in a chart: AA, 3 : 1', (name) => {
    expect(contrast(palette[name], palette.page)).toBeGreaterThanOrEqual(3);
  });

  it('is what the page is painted with', () => {
    for (const [name, colour] of Object.entries(palette))
      expect(PALETTE_CSS).toContain(`--${name}: ${colour};`);
  });
});

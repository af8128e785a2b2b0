import { readdirSync, readFileSync, statSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DARK, LIGHT, type Palette } from '../../jobs/cli/page/palette.ts';

const read = (name: string): string => readFileSync(`docs/images/${name}`, 'utf8');

/** The palette's colours in the other scheme; what stands on a filled box is the page's colour in both. */
const inTheDark = (svg: string): string =>
  svg.replaceAll(/#[0-9a-f]{6}/g, (colour) => {
    const name = (Object.keys(LIGHT) as (keyof Palette)[]).find((key) => LIGHT[key] === colour);
    if (name === undefined) throw new Error(`${colour} is not a colour of the palette`);
    return DARK[name];
  });

it('the dark picture of the flow is the light one in the colours of the report page', () => {
  expect(read('flow-dark.svg')).toBe(inTheDark(read('flow-light.svg')));
});

it('every text of the picture is legible where it is 360 pixels wide', () => {
  const svg = read('flow-light.svg');
  const width = Number(/viewBox="0 0 (\d+) /.exec(svg)?.[1]);
  const sizes = [...svg.matchAll(/font-size="(\d+)"/g)].map(([, size]) => (Number(size) * 360) / width);
  expect(Math.min(...sizes)).toBeGreaterThan(11);
});

it('no image is large', () => {
  for (const name of readdirSync('docs/images'))
    expect([name, statSync(`docs/images/${name}`).size < 200_000]).toEqual([name, true]);
});

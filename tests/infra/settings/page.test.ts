import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { SETTINGS_PAGE, settingsPage } from '../../../infra/settings/page.ts';
import { settingsSchema } from '../../../infra/settings/schema.ts';

it('docs/settings.md is what `npm run docs:settings` writes', () => {
  expect(readFileSync(SETTINGS_PAGE, 'utf8')).toBe(settingsPage());
});

it('has a row for every setting', () => {
  const page = settingsPage();
  for (const name of Object.keys(settingsSchema.shape)) expect(page).toContain(`| \`${name}\` |`);
});

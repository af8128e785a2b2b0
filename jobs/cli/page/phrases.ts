import type { RunState } from '../../contract/ledger.ts';
import { type Html, html } from './html.ts';
import { colour, type Palette } from './palette.ts';

/** An ISO time without its fraction: 2026-01-02 03:04:05 UTC. */
export const moment = (iso: string): string => `${iso.slice(0, 19).replace('T', ' ')} UTC`;

/** A length of time with its unit, so that a second and an hour can both be read. */
export function seconds(count: number): string {
  if (count < 10) return `${count.toFixed(2)} s`;
  if (count < 120) return `${count.toFixed(1)} s`;
  if (count < 7200) return `${(count / 60).toFixed(1)} min`;
  return `${(count / 3600).toFixed(1)} h`;
}

/** Two digits that say something, however small the amount. */
export const usd = (amount: number): string =>
  amount === 0 ? '$0' : amount < 0.01 ? `$${Number(amount.toPrecision(2))}` : `$${amount.toFixed(2)}`;

export function shareOf(part: number, whole: number): string {
  if (whole === 0) return '–';
  const percent = (part / whole) * 100;
  return percent > 0 && percent < 0.1 ? '< 0.1%' : `${percent.toFixed(1)}%`;
}

const STATES: Readonly<Record<RunState, { readonly says: string; readonly colour: keyof Palette }>> = {
  planned: { says: 'planned', colour: 'muted' },
  staging: { says: 'staging', colour: 'muted' },
  verified: { says: 'verified', colour: 'muted' },
  succeeded: { says: 'succeeded', colour: 'sealed' },
  failed: { says: 'failed', colour: 'rejected' },
  cancelled: { says: 'cancelled', colour: 'changed' },
  abandoned: { says: 'abandoned', colour: 'changed' },
};

export const stateBadge = (state: RunState): Html =>
  html`<span class="state" style="color:${colour(STATES[state].colour)}">${STATES[state].says}</span>`;

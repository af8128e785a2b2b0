import type { Advance, Share } from '../run/context.ts';

/** Rates are those of so long a time: long enough to be steady, short enough to show what changes. */
const WINDOW_MS = 10_000;
/** Before that, how long a step takes says nothing. */
const LONG_MS = 3_000;
const BAR = 10;

/** How far a step is, in one line: a bar, counts, rates, the time left. Zeros are left out. */
export class Gauge {
  #now: Advance = {};
  readonly #started: number;
  readonly #values: Pace;
  readonly #deks: Pace;

  /** @param started milliseconds, of the clock that the methods are given as `at` */
  constructor(started: number) {
    this.#started = started;
    this.#values = new Pace(started);
    this.#deks = new Pace(started);
  }

  take(now: Advance, at: number): void {
    this.#now = now;
    this.#values.take(now.values?.done ?? 0, at);
    this.#deks.take(now.deks?.done ?? 0, at);
  }

  /** @param width columns; what does not fit is said shorter, then left out, the last first */
  text(at: number, width: number): string {
    const { message, values, deks } = this.#now;
    const elapsed = at - this.#started;
    if (message !== undefined || values === undefined || values.of === 0)
      return fitted([[message ?? ''], [elapsed < LONG_MS ? '' : duration(elapsed)]], width);
    const { done, of } = values;
    const calls = deks?.aSecond ?? this.#deks.aSecond();
    const keys = calls < 1 ? [] : [`${count(calls)} KMS calls/s`, `${count(calls)} KMS/s`];
    if (done === 0)
      return fitted(
        [[`${bar(values)} ${count(of)} values`], keys, [deks ? share('data keys', deks) : '']],
        width,
      );
    const rate = values.aSecond ?? this.#values.aSecond();
    // What comes in pages is further than the last of them.
    const left = rate === 0 ? 0 : (1000 * (of - done)) / rate - (at - this.#values.latest);
    const remaining =
      done >= of || rate === 0 ? [] : [duration, briefly].map((said) => `${said(Math.max(1, left))} left`);
    const progress = [
      `${bar(values)} ${share('values', values)}`,
      `${bar(values)} ${count(done)} of ${count(of)}`,
    ];
    return fitted([progress, [rate < 1 ? '' : `${count(rate)}/s`], remaining, keys], width);
  }
}

/** How fast a count grows: pages and calls come in steps, so the time of a step counts, not of a look. */
class Pace {
  #steps: { readonly at: number; readonly done: number }[];

  constructor(started: number) {
    this.#steps = [{ at: started, done: 0 }];
  }

  get latest(): number {
    return this.#steps.at(-1)?.at ?? 0;
  }

  take(done: number, at: number): void {
    if (done === this.#steps.at(-1)?.done) return;
    this.#steps.push({ at, done });
    // One that is older than the window stays: from there on the rate counts.
    while ((this.#steps[1]?.at ?? at) < at - WINDOW_MS) this.#steps.shift();
  }

  aSecond(): number {
    const [first, last] = [this.#steps[0], this.#steps.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return Math.max(0, (1000 * (last.done - first.done)) / (last.at - first.at));
  }
}

/** The same in words, for a log: no bar, no rate. */
export function words({ message, values, deks }: Advance): string {
  if (message !== undefined) return message;
  return [values ? share('values', values) : '', deks ? share('data keys', deks) : '']
    .filter((part) => part !== '')
    .join(', ');
}

const share = (name: string, { done, of }: Share): string =>
  done === 0 ? '' : `${count(done)} of ${count(of)} ${name}`;

function bar({ done, of }: Share): string {
  const full = Math.min(BAR, Math.floor((BAR * done) / of));
  return '█'.repeat(full) + '░'.repeat(BAR - full);
}

const count = (number: number): string => Math.round(number).toLocaleString('en-US');

function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds} s`;
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** In whole minutes, above one. */
const briefly = (ms: number): string =>
  ms <= 60_000 || ms > 3_600_000 ? duration(ms) : `${Math.ceil(ms / 60_000)} min`;

/** Each part in its forms, the longest first: as many parts as fit, of which the last are said shorter first. */
function fitted(parts: readonly (readonly string[])[], width: number): string {
  const said = parts.filter(([longest = '']) => longest !== '');
  for (; said.length > 0; said.pop()) {
    const forms = said.map(([longest = '']) => longest);
    for (let at = said.length; at >= 0; at--) {
      if (at < said.length) forms[at] = said[at]?.at(-1) ?? '';
      const text = forms.join(' · ');
      if (text.length <= width || (said.length === 1 && at === 0)) return text.slice(0, Math.max(0, width));
    }
  }
  return '';
}

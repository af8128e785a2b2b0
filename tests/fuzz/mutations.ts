/** Seeded numbers, and inputs made of them: the same seed makes the same inputs. */

/** mulberry32 (public domain, Tommy Ettinger): 32 bits of state, enough to choose mutations by. */
export class Random {
  #state: number;

  /** `name` keeps the targets of one seed apart. */
  constructor(seed: number, name: string) {
    this.#state = [...name].reduce(
      (state, letter) => Math.imul(state ^ letter.charCodeAt(0), 0x01000193),
      seed,
    );
  }

  /** A whole number from 0 to below `bound`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  chance(share: number): boolean {
    return this.below(1000) < share * 1000;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}

/** What parsers have been known to stumble over. */
const ODD = [
  '',
  ' ',
  '\n',
  '\r\n',
  '\t',
  '\0',
  '.',
  '=',
  '==',
  '"',
  "'",
  '\\',
  '`',
  ',',
  ';',
  '-',
  '%',
  '{',
  '}',
  '[',
  'null',
  'true',
  '-1',
  '0',
  '1e999',
  '9223372036854775808',
  'é',
  'ﬀ',
  '٣',
  '\u2028',
  '\ufeff',
  '\ufffd',
  '😀',
  'A'.repeat(300),
];

/** A text with one to three changes; it stays well-formed Unicode. */
export function mutatedText(random: Random, text: string, others: readonly string[]): string {
  let changed = text;
  for (let left = 1 + random.below(3); left > 0; left--) changed = oneChange(random, changed, others);
  return Buffer.from(changed).toString();
}

function oneChange(random: Random, text: string, others: readonly string[]): string {
  const [from, to] = [random.below(text.length + 1), random.below(text.length + 1)].sort((a, b) => a - b) as [
    number,
    number,
  ];
  const short = Math.min(to, from + 1 + random.below(4));
  switch (random.below(8)) {
    case 0:
      return text.slice(0, from);
    case 1:
      return text.slice(0, from) + text.slice(short);
    case 2:
      return text.slice(0, to) + text.slice(from);
    case 3:
      return text.slice(0, from) + random.pick(ODD) + text.slice(from);
    case 4:
      return text.slice(0, from) + random.pick(ODD) + text.slice(short);
    case 5:
      return text.slice(0, from) + random.pick(others).slice(from);
    case 6:
      return flippedCase(text, from);
    default:
      return text.slice(0, from) + String.fromCharCode(32 + random.below(95)) + text.slice(from + 1);
  }
}

const flippedCase = (text: string, at: number): string => {
  const letter = text.charAt(at);
  return (
    text.slice(0, at) +
    (letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase()) +
    text.slice(at + 1)
  );
};

/** Bytes with one to three changes. */
export function mutatedBytes(random: Random, bytes: Buffer): Buffer {
  let changed = Buffer.from(bytes);
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(changed.length + 1);
    switch (random.below(6)) {
      case 0:
        changed = changed.subarray(0, at);
        break;
      case 1:
        changed = Buffer.concat([changed, random.bytes(1 + random.below(20))]);
        break;
      case 2:
        changed = Buffer.concat([changed.subarray(0, at), random.bytes(1), changed.subarray(at)]);
        break;
      case 3:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + 1)]);
        break;
      default:
        changed = Buffer.from(
          changed.map((byte, place) => (place === at ? byte ^ (1 << random.below(8)) : byte)),
        );
    }
  }
  return changed;
}

/** A JSON value with some of its parts changed for others, left out or doubled. */
export function mutatedJson(random: Random, value: unknown): unknown {
  if (random.chance(0.12)) return random.pick(ODD_VALUES);
  if (typeof value === 'string') return random.chance(0.3) ? mutatedText(random, value, [value, 'x']) : value;
  if (Array.isArray(value)) {
    const mutated = value.map((one) => mutatedJson(random, one));
    return random.chance(0.1) ? [...mutated, ...mutated] : mutated;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(() => !random.chance(0.06))
      .map(([name, inner]) => [random.chance(0.03) ? random.pick(ODD) : name, mutatedJson(random, inner)]),
  );
}

const ODD_VALUES = [
  null,
  true,
  0,
  -1,
  1.5,
  1e21,
  2 ** 53,
  '',
  '\0',
  'x',
  '{}',
  [],
  {},
  [null],
  [[]],
  { a: { b: [{}] } },
  '\ufeff',
  'A'.repeat(5000),
];

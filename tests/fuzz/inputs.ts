import type { SourceFormat } from '../../jobs/contract/settings/choices.ts';
import { patternFault } from '../../jobs/contract/value-pattern.ts';
import { mutatedBytes, mutatedText, type Random } from './mutations.ts';
import { type Input, openedTo, type SourceInput, seeds } from './outcomes.ts';

/** An input, and what it may open to: anything else would be a forgery. Null where nothing proves it. */
export interface Expecting {
  readonly input: Input;
  readonly authentic: ReadonlySet<string> | null;
}

const ORDER: readonly SourceFormat[] = ['gcm', 'dotted', 'tink', 'tink-envelope'];
/** So many inputs of one format follow each other, as the rows of a record batch do. */
const ALIKE = 40;

/** Cipher texts and data keys of every source format. */
export function* sourceInputs(random: Random, count: number): Generator<Expecting> {
  const { sources } = seeds();
  const authentic = new Map<string, Set<string>>();
  for (const { format, key, plaintext } of sources) {
    const of = `${format} ${key}`;
    authentic.set(of, (authentic.get(of) ?? new Set()).add(openedTo(plaintext)));
  }
  for (let made = 0; made < count; made++) {
    const format = ORDER[Math.floor(made / ALIKE) % ORDER.length] as SourceFormat;
    const unauthenticated = Math.floor(made / ALIKE / ORDER.length) % 2 === 0 ? 'reject' : 'accept';
    const alike = sources.filter((one) => one.format === format);
    const seed = random.pick(alike);
    const key = random.chance(0.1)
      ? mutatedBytes(random, Buffer.from(seed.key, 'hex')).toString('hex')
      : seed.key;
    const cipher_text = random.chance(0.05) ? seed.cipher_text : mutatedSource(random, seed, alike);
    yield {
      input: { kind: 'source', format, key, cipher_text, unauthenticated },
      authentic: unauthenticated === 'reject' ? (authentic.get(`${format} ${seed.key}`) ?? new Set()) : null,
    };
  }
}

/** A change of the text, or of the bytes under its base64. */
function mutatedSource(random: Random, { cipher_text }: SourceInput, others: readonly SourceInput[]): string {
  if (random.chance(0.5))
    return mutatedText(
      random,
      cipher_text,
      others.map((one) => one.cipher_text),
    );
  const parts = cipher_text.split('.');
  const at = random.below(parts.length);
  return parts
    .map((part, place) =>
      place === at ? mutatedBytes(random, Buffer.from(part, 'base64')).toString('base64') : part,
    )
    .join('.');
}

/** Texts of the dek column. */
export function* dekInputs(random: Random, count: number): Generator<Expecting> {
  for (let made = 0; made < count; made++) {
    const bytes = random.bytes(random.below(80));
    const text = bytes.toString(random.chance(0.5) ? 'hex' : 'base64');
    yield {
      input: { kind: 'dek', text: random.chance(0.1) ? text : mutatedText(random, text, [text, 'QQ==']) },
      authentic: null,
    };
  }
}

/** Keysets, ciphertexts and AADs of BigQuery's format. */
export function* sealedInputs(random: Random, count: number): Generator<Expecting> {
  const { sealed } = seeds();
  for (let made = 0; made < count; made++) {
    const seed = random.pick(sealed);
    const changed = (base64: string): string =>
      mutatedBytes(random, Buffer.from(base64, 'base64')).toString('base64');
    const what = random.below(4);
    yield {
      input: {
        kind: 'sealed',
        keyset: what === 0 || what === 3 ? changed(seed.keyset) : seed.keyset,
        ciphertext: what === 1 || what === 3 ? changed(seed.ciphertext) : seed.ciphertext,
        aad: what === 2 ? mutatedText(random, seed.aad, ['1', '42']) : seed.aad,
      },
      authentic: new Set([openedTo(seed.plaintext)]),
    };
  }
}

const ATOMS = [
  'a',
  'b',
  'é',
  '.',
  String.raw`\w`,
  String.raw`\W`,
  String.raw`\d`,
  String.raw`\s`,
  '[a-c]',
  '[^a]',
  '[[:alpha:]]',
  String.raw`\.`,
  String.raw`\x{1F600}`,
  '^',
  '$',
  String.raw`\b`,
  String.raw`\B`,
  String.raw`\z`,
  'K',
  '-',
  '@',
  String.raw`[\w.]`,
  '(?i)',
  '(?s)',
  '(?m)',
  '(?U)',
  String.raw`\x0a`,
];
const REPEATS = ['', '', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{0,3}', '{1,}', '{2,3}?'];
const LETTERS = [
  'a',
  'b',
  'c',
  'A',
  'B',
  'K',
  'k',
  'K',
  'ſ',
  's',
  'é',
  'É',
  '.',
  '-',
  '@',
  '1',
  '٣',
  ' ',
  '\n',
  '\0',
  '😀',
  '\u2028',
  '_',
];

/** Patterns that a stack may have, each with values to hold against it. */
export function* patternInputs(random: Random, count: number): Generator<Expecting> {
  for (let made = 0; made < count; ) {
    const pattern = random.chance(0.2)
      ? mutatedText(random, somePattern(random, 3), ['(?i)[a-z]+', '[^@]+'])
      : somePattern(random, 3);
    if (patternFault(pattern) !== null) continue;
    made++;
    const values = Array.from({ length: 12 }, () =>
      Array.from({ length: random.below(6) }, () => random.pick(LETTERS)).join(''),
    );
    yield { input: { kind: 'pattern', pattern, values }, authentic: null };
  }
}

function somePattern(random: Random, depth: number): string {
  const parts = Array.from({ length: 1 + random.below(3) }, () => {
    const atom =
      depth > 0 && random.chance(0.3)
        ? `(${random.chance(0.5) ? '?:' : ''}${somePattern(random, depth - 1)})`
        : random.pick(ATOMS);
    return atom + random.pick(REPEATS);
  });
  return parts.join(random.chance(0.25) ? '|' : '');
}

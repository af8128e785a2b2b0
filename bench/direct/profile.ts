/**
 * `npm run bench:profile [-- ROWS [KEYING]]`: where the CPU of a sealing thread of the direct engine goes, by V8's own
 * profiler: µs a row by what the thread does, and within node:crypto by its functions.
 */
import { createHash } from 'node:crypto';
import { Session } from 'node:inspector/promises';
import { type SourcePage, sealPage } from '../../jobs/engines/direct/seal-page.ts';
import { newKeyset, serializeKeyset } from '../../jobs/envelope/keysets.ts';
import { Application } from '../../tests/support/application.ts';

const rows = Number(process.argv[2] ?? 500_000);
const keyings = (['row', 'shared'] as const).filter((keying) => keying === (process.argv[3] ?? keying));
const PAGE_ROWS = 10_000;
const PAGE_DEKS = 100;
/** Less than so many µs a row are no line of their own. */
const LEAST = 0.1;

type Profile = Awaited<ReturnType<typeof profiled>>;

async function profiled(work: () => void) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  work();
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  return profile;
}

/** What a function belongs to, of which V8 says the name and the file. */
function part(name: string, url: string): string {
  if (url.startsWith('node:internal/crypto') || url.startsWith('node:internal/streams'))
    return `node:crypto, ${name || 'callbacks'}`;
  if (url.startsWith('node:')) return url;
  return /\/(jobs\/(?:envelope|engines\/direct|contract)\/[^/]+\.ts)/.exec(url)?.[1] ?? 'all others';
}

/**
 * Microseconds by part. What V8 and Node have in C++ has no file: it counts for the function of a file that called it.
 * https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile
 */
function byPart({ nodes, samples = [], timeDeltas = [] }: Profile): Map<string, number> {
  const parts = new Map<number, string>();
  const places = new Map(nodes.map((one) => [one.id, one]));
  const name = (id: number, above: string): void => {
    const { callFrame, children = [] } = places.get(id) as Profile['nodes'][number];
    const { functionName, url } = callFrame;
    const own = url === '' ? above : part(functionName, url);
    parts.set(id, functionName === '(garbage collector)' ? 'garbage collector' : own);
    for (const child of children) name(child, own);
  };
  name(nodes[0]?.id ?? 0, 'all others');
  const micros = new Map<string, number>();
  samples.forEach((id, at) => {
    const of = parts.get(id) as string;
    micros.set(of, (micros.get(of) ?? 0) + (timeDeltas[at] ?? 0));
  });
  return micros;
}

const application = new Application('gcm');
const keys = Array.from({ length: PAGE_DEKS }, () => application.newKey());
const texts = Array.from({ length: PAGE_ROWS }, (_, row) =>
  (keys[row % PAGE_DEKS] as (typeof keys)[number]).encrypt(`somebody.else${row}@mail.example`),
);
/** A page as pages come from BigQuery; the data keys are copies, which sealing wipes. */
const page = (): SourcePage => ({
  ids: texts.map((_, row) => String(row)),
  fields: texts.map(() => 'email'),
  cipherTexts: texts,
  tokens: texts.map((text) => createHash('sha256').update(text).digest('base64')),
  keyOf: texts.map((_, row) => row % PAGE_DEKS),
  deks: keys.map(({ dek }) => dek),
  keys: keys.map(({ unwrapped }) => Buffer.from(unwrapped)),
});

for (const keying of keyings) {
  const setup = {
    runId: 'profile',
    attempt: 'profile',
    sourceFormat: 'gcm',
    unauthenticated: 'reject',
    valuePatterns: {},
    keying,
    storePlaintext: false,
    keyset: serializeKeyset(newKeyset()),
  } as const;
  const pages = (count: number): SourcePage[] => Array.from({ length: count }, page);
  // V8 compiles what is hot.
  for (const one of pages(5)) sealPage(setup, one);
  const work = pages(Math.ceil(rows / PAGE_ROWS));
  const sealed = work.length * PAGE_ROWS;
  const before = process.cpuUsage();
  const profile = await profiled(() => {
    for (const one of work) sealPage(setup, one);
  });
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(
    `${keying} keying, ${sealed} rows: ${((user + system) / sealed).toFixed(1)} µs of CPU a row\n`,
  );
  for (const [of, micros] of [...byPart(profile)].sort(([, a], [, b]) => b - a))
    if (micros / sealed >= LEAST)
      process.stdout.write(`  ${(micros / sealed).toFixed(1).padStart(5)}  ${of}\n`);
}

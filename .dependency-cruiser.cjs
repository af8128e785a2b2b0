/**
 * Which room may import which (CONTRIBUTING.md, "Arrows"). Every import counts, a type's and a dynamic one too.
 * https://github.com/sverweij/dependency-cruiser/blob/main/doc/rules-reference.md
 */
const OURS = '^(index\\.ts$|bin/|infra/|jobs/|policy/|sandbox/|tools/|tests/|bench/)';
const CONTRACT = '^jobs/contract/';
const ENVELOPE = '^jobs/envelope/';
const GOOGLE = '^jobs/google/';
const COMPILED = '^bin/compiled\\.js$';
const VENV = '^jobs/spark/venv\\.ts$';

/** A room, what it may import besides itself, and files of it that a rule of their own covers. */
const rooms = [
  { name: 'contract', room: CONTRACT, may: [] },
  { name: 'envelope', room: ENVELOPE, may: [CONTRACT] },
  { name: 'google', room: GOOGLE, may: [CONTRACT, ENVELOPE] },
  { name: 'engines', room: '^jobs/engines/', may: [CONTRACT, ENVELOPE, GOOGLE, COMPILED] },
  // The caller hands a run its engine: a run knows what an engine is, and none in particular.
  { name: 'run', room: '^jobs/run/', may: [CONTRACT, ENVELOPE, GOOGLE, '^jobs/engines/engine\\.ts$'] },
  { name: 'doctor', room: '^jobs/doctor/', may: [CONTRACT, ENVELOPE, GOOGLE, '^jobs/run/context\\.ts$'] },
  { name: 'upkeep', room: '^jobs/upkeep/', may: [CONTRACT, GOOGLE, '^jobs/run/(context|keyset)\\.ts$'] },
  { name: 'setup', room: '^jobs/setup/', may: [CONTRACT, ENVELOPE, GOOGLE] },
  { name: 'stack', room: '^jobs/stack/', may: [CONTRACT] },
  { name: 'cli', room: '^jobs/cli/', may: ['^jobs/'], except: '^jobs/cli/sandbox\\.ts$' },
  { name: 'cli-sandbox', room: '^jobs/cli/sandbox\\.ts$', may: ['^jobs/', '^sandbox/'] },
  {
    name: 'cloud-run',
    room: '^jobs/cloud-run/',
    may: [CONTRACT, GOOGLE, '^jobs/engines/', '^jobs/run/', '^jobs/cli/(exit|interrupt|watch)\\.ts$'],
  },
  { name: 'venv', room: VENV, may: [CONTRACT] },
  { name: 'bin', room: '^bin/', may: [] },
  { name: 'infra', room: '^infra/', may: [CONTRACT] },
  { name: 'policy', room: '^policy/', may: [CONTRACT] },
  { name: 'tools', room: '^tools/', may: [CONTRACT, VENV] },
  {
    name: 'sandbox',
    room: '^sandbox/',
    may: [CONTRACT, ENVELOPE, '^jobs/google/clients\\.ts$', VENV, COMPILED],
    except: '^sandbox/(dataproc|deploy)/',
  },
  // The sandbox's batches are sealed by the direct engine where there is no Spark.
  {
    name: 'sandbox-dataproc',
    room: '^sandbox/dataproc/',
    may: [CONTRACT, ENVELOPE, GOOGLE, VENV, '^jobs/engines/', '^sandbox/'],
  },
  {
    name: 'sandbox-deploy',
    room: '^sandbox/deploy/',
    may: [CONTRACT, ENVELOPE, '^index\\.ts$', '^sandbox/', COMPILED],
  },
  { name: 'index', room: '^index\\.ts$', may: [CONTRACT, '^infra/'] },
];

/** The modules of the database that need none of it: the translator writes by them. */
const PURE = '^sandbox/bigquery/duckdb/(key-functions|mark|partition-filter|types)\\.ts$';

/** The rooms inside the sandbox, and which others each may import: the column of docs/sandbox.md, "Rooms". */
const sandboxRooms = {
  errors: [],
  discovery: ['errors'],
  http: ['discovery', 'errors'],
  state: ['errors', 'http'],
  iam: ['errors', 'http', 'state'],
  faults: ['errors', 'http', 'iam'],
  kms: ['errors', 'faults', 'http', 'state'],
  storage: ['errors', 'http', 'state'],
  users: ['http'],
  programs: [],
  project: ['bigquery/duckdb', 'cloud-run', 'discovery', 'errors', 'http', 'iam', 'kms', 'storage'],
  'bigquery/access.ts': ['http', 'iam'],
  'bigquery/duckdb': ['bigquery/access.ts', 'errors', 'http', 'kms'],
  'bigquery/translate': ['errors', 'http'],
  'bigquery/load': ['bigquery/access.ts', 'bigquery/duckdb', 'errors', 'http'],
  'bigquery/script': ['bigquery/access.ts', 'bigquery/duckdb', 'bigquery/translate', 'errors', 'http'],
  'bigquery/storage-read': [
    'bigquery/access.ts',
    'bigquery/duckdb',
    'bigquery/script',
    'bigquery/translate',
    'errors',
    'faults',
    'http',
    'iam',
    'state',
  ],
  'bigquery/api': [
    'bigquery/access.ts',
    'bigquery/duckdb',
    'bigquery/load',
    'bigquery/script',
    'bigquery/translate',
    'errors',
    'faults',
    'http',
    'iam',
  ],
  'cloud-run': ['errors', 'faults', 'http', 'iam', 'programs', 'state'],
  dataproc: [
    'bigquery/duckdb',
    'bigquery/storage-read',
    'errors',
    'faults',
    'http',
    'iam',
    'programs',
    'state',
    'storage',
  ],
  deploy: ['http', 'iam', 'state'],
  process: [
    'bigquery/api',
    'bigquery/duckdb',
    'bigquery/storage-read',
    'cloud-run',
    'dataproc',
    'deploy',
    'errors',
    'faults',
    'http',
    'iam',
    'kms',
    'project',
    'state',
    'storage',
  ],
};
const inSandbox = (room) => `^sandbox/${room.replace('.', '\\.')}${room.endsWith('.ts') ? '$' : '/'}`;

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...rooms.map(({ name, room, may, except }) => ({
      name: `${name}-imports`,
      severity: 'error',
      from: { path: room, ...(except && { pathNot: except }) },
      to: { path: OURS, pathNot: [room, ...may] },
    })),
    ...Object.entries(sandboxRooms).map(([room, may]) => ({
      name: `sandbox/${room}`,
      severity: 'error',
      from: { path: inSandbox(room) },
      to: {
        path: '^sandbox/',
        pathNot: [inSandbox(room), ...may.map(inSandbox), ...(room === 'bigquery/translate' ? [PURE] : [])],
      },
    })),
    {
      name: 'in-a-room-of-the-sandbox',
      severity: 'error',
      from: { path: '^sandbox/', pathNot: Object.keys(sandboxRooms).map(inSandbox) },
      to: {},
    },
    {
      name: 'sandbox-takes-only-types-of-clients',
      comment:
        'The sandbox says where its services listen; only its users are loaded as a client of Google loads them.',
      severity: 'error',
      from: { path: '^sandbox/', pathNot: '^sandbox/(dataproc|users)/' },
      to: { path: '^jobs/google/clients\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'run-takes-only-types-of-engines',
      severity: 'error',
      from: { path: '^jobs/run/' },
      to: { path: '^jobs/engines/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'contract-packages',
      comment:
        'The contract is data and rules: every part loads it, so it loads nothing but what reads and judges those.',
      severity: 'error',
      from: { path: CONTRACT },
      to: { path: '^node_modules/', pathNot: '^node_modules/(zod|re2js|yaml)/' },
    },
    {
      name: 'in-a-room',
      comment: 'A product file that no room claims would be free to import anything.',
      severity: 'error',
      from: { path: OURS, pathNot: ['^(tests|bench)/', ...rooms.map(({ room }) => room)] },
      to: {},
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|\\.venv[^/]*)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    // An import type is an arrow, too.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};

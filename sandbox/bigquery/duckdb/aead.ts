import {
  BIGINT,
  BLOB,
  DuckDBBlobValue,
  type DuckDBBlobVector,
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBScalarFunction,
  type DuckDBType,
  type DuckDBValue,
  VARCHAR,
} from '@duckdb/node-api';
import { Rejection } from '../../../jobs/contract/reasons.ts';
import type { Aead } from '../../../jobs/envelope/aead.ts';
import { type AesKey, aesKeyOnce } from '../../../jobs/envelope/aes.ts';
import { keysetToJson, parseKeyset } from '../../../jobs/envelope/keysets.ts';
import { addRawKey, deterministicOf, keysetAead, newSerializedKeyset, UnfitKey } from './keyset-aead.ts';
import type { Keysets, OpenKeyset } from './keysets.ts';
import { MARK } from './mark.ts';

type Bytes = Uint8Array | null;

/** How the keyset of a call is found, from the columns before the data. */
type Source = { name: string; columns: number; types: DuckDBType[]; of: (chunk: DuckDBDataChunk) => Opener };
/** The AEAD of a row; null for a NULL keyset. */
type Opener = (row: number) => Aead | null;

/** Functions that seal and open with keys of one type. */
interface Family {
  /** What BigQuery's names begin with, and DuckDB's. */
  readonly google: string;
  readonly duckdb: string;
  /** Fresh nonces: DuckDB must not fold two calls into one. */
  readonly volatile: boolean;
  readonly ofOpen: (keyset: OpenKeyset) => Aead;
  readonly ofBytes: (serialized: Uint8Array, prepare?: (bytes: Uint8Array) => AesKey) => Aead;
}

const FAMILIES: readonly Family[] = [
  {
    google: 'AEAD.',
    duckdb: 'aead',
    volatile: true,
    ofOpen: (keyset) => keyset.aead(),
    ofBytes: keysetAead,
  },
  {
    google: 'DETERMINISTIC_',
    duckdb: 'daead',
    volatile: false,
    ofOpen: (keyset) => keyset.deterministic(),
    ofBytes: (serialized) => deterministicOf(parseKeyset(serialized)),
  },
];

/**
 * Registers AEAD.*, DETERMINISTIC_* and KEYS.* as functions of DuckDB. DuckDB hands over vectors of 2,048 rows; a row
 * costs what its ciphers cost and little more. Every kind exists three times: over a KEYSET_CHAIN's handle, over
 * a row keyset that such a keyset opens (both steps in one call), and over a BYTES keyset.
 */
export function registerAead(connection: DuckDBConnection, keysets: Keysets): void {
  for (const family of FAMILIES) registerFamily(connection, keysets, family);
  registerKeys(connection);
}

function registerFamily(connection: DuckDBConnection, keysets: Keysets, family: Family): void {
  for (const source of sources(keysets, family)) {
    const { name, columns, types } = source;
    const define = (
      google: string,
      kind: string,
      returnType: DuckDBType,
      work: (aead: Aead, data: Uint8Array, aad: Uint8Array) => DuckDBValue,
      safe = false,
    ): void => {
      const cell = (opener: Opener, row: number, value: Bytes, extra: Bytes): DuckDBValue => {
        const cipher = value === null || extra === null ? null : opener(row);
        return cipher === null || value === null || extra === null ? null : work(cipher, value, extra);
      };
      connection.registerScalarFunction(
        DuckDBScalarFunction.create({
          name: `${family.duckdb}_${kind}${safe ? '_safe' : ''}${name}`,
          parameterTypes: [...types, BLOB, BLOB],
          returnType,
          specialHandling: true,
          volatile: family.volatile && kind === 'encrypt',
          mainFunction: (info, chunk, output) => {
            try {
              const data = blobs(chunk, columns);
              const aad = blobs(chunk, columns + 1);
              const opener = source.of(chunk);
              const write = safe ? orNull(cell) : cell;
              for (let row = 0; row < chunk.rowCount; row++)
                output.setItem(row, write(opener, row, data(row), aad(row)));
              output.flush();
            } catch (error) {
              info.setError(`${MARK}${family.google}${google} failed: ${reason(error)}`);
            }
          },
        }),
      );
    };
    const decryptString = (cipher: Aead, data: Uint8Array, aad: Uint8Array): DuckDBValue =>
      utf8.decode(cipher.open(data, aad));
    const decryptBytes = (cipher: Aead, data: Uint8Array, aad: Uint8Array): DuckDBValue =>
      new DuckDBBlobValue(cipher.open(data, aad));
    for (const safe of [false, true]) {
      define('DECRYPT_STRING', 'decrypt_string', VARCHAR, decryptString, safe);
      define('DECRYPT_BYTES', 'decrypt_bytes', BLOB, decryptBytes, safe);
      define('ENCRYPT', 'encrypt', BLOB, encrypt, safe);
    }
  }
}

const encrypt = (cipher: Aead, data: Uint8Array, aad: Uint8Array): DuckDBValue =>
  new DuckDBBlobValue(cipher.seal(data, aad));

/** Under SAFE. a row that fails is NULL, whether its keyset, its ciphertext, its text or its key is at fault. */
function orNull<A extends unknown[]>(cell: (...args: A) => DuckDBValue): (...args: A) => DuckDBValue {
  return (...args) => {
    try {
      return cell(...args);
    } catch (error) {
      if (error instanceof Rejection || error instanceof TypeError || error instanceof UnfitKey) return null;
      throw error;
    }
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function sources(keysets: Keysets, { ofOpen, ofBytes }: Family): Source[] {
  const handleOf = (chunk: DuckDBDataChunk): OpenKeyset =>
    keysets.get(String(chunk.getColumnVector(0).getItem(0)));
  return [
    {
      name: '_of_handle',
      columns: 1,
      types: [VARCHAR],
      of: (chunk) => {
        const keyset = handleOf(chunk);
        return () => ofOpen(keyset);
      },
    },
    {
      name: '_of_chain',
      columns: 3,
      types: [VARCHAR, BLOB, BLOB],
      of: (chunk) => {
        const first = handleOf(chunk);
        const sealed = blobs(chunk, 1);
        const aad = blobs(chunk, 2);
        return (row) => {
          const [key, extra] = [sealed(row), aad(row)];
          return key === null || extra === null ? null : ofBytes(first.aead().open(key, extra), aesKeyOnce);
        };
      },
    },
    {
      name: '',
      columns: 1,
      types: [BLOB],
      of: (chunk) => {
        const serialized = blobs(chunk, 0);
        let last: { bytes: Buffer; aead: Aead } | undefined;
        return (row) => {
          const bytes = serialized(row);
          if (bytes === null) return null;
          // A keyset that stands for a whole column is parsed once.
          if (!last?.bytes.equals(bytes)) {
            const own = Buffer.from(bytes);
            last = { bytes: own, aead: ofBytes(own) };
          }
          return last.aead;
        };
      },
    },
  ];
}

/** A function of KEYS.* that is worked out row by row; NULL for a NULL argument. */
interface RowFunction {
  readonly google: string;
  /** DuckDB's name; under SAFE. `_safe` stands behind it. */
  readonly name: string;
  readonly types: DuckDBType[];
  readonly returnType: DuckDBType;
  /** Makes something new each time. */
  readonly volatile?: boolean;
  readonly of: (...cells: Uint8Array[]) => DuckDBValue;
}

const ROW_FUNCTIONS: readonly RowFunction[] = [
  {
    google: 'KEYS.KEYSET_LENGTH',
    name: 'keyset_length',
    types: [BLOB],
    returnType: BIGINT,
    of: (keyset) => BigInt(parseKeyset(keyset as Uint8Array).keys.length),
  },
  {
    google: 'KEYS.KEYSET_TO_JSON',
    name: 'keyset_to_json',
    types: [BLOB],
    returnType: VARCHAR,
    of: (keyset) => keysetToJson(parseKeyset(keyset as Uint8Array)),
  },
  {
    google: 'KEYS.NEW_KEYSET',
    name: 'keyset_new',
    // The type that the translator has looked at: DuckDB calls no function of ours without an argument.
    types: [VARCHAR],
    returnType: BLOB,
    volatile: true,
    of: (type) => new DuckDBBlobValue(newSerializedKeyset(Buffer.from(type as Uint8Array).toString())),
  },
  {
    google: 'KEYS.ADD_KEY_FROM_RAW_BYTES',
    name: 'keyset_add_raw',
    types: [BLOB, VARCHAR, BLOB],
    returnType: BLOB,
    volatile: true,
    of: (...cells) => {
      const [keyset, type, key] = cells as [Uint8Array, Uint8Array, Uint8Array];
      return new DuckDBBlobValue(addRawKey(keyset, Buffer.from(type).toString(), key));
    },
  },
];

function registerKeys(connection: DuckDBConnection): void {
  for (const { google, name, types, returnType, volatile = false, of } of ROW_FUNCTIONS)
    for (const safe of [false, true])
      connection.registerScalarFunction(
        DuckDBScalarFunction.create({
          name: `${name}${safe ? '_safe' : ''}`,
          parameterTypes: types,
          returnType,
          specialHandling: true,
          volatile,
          mainFunction: (info, chunk, output) => {
            try {
              const columns = types.map((_, column) => blobs(chunk, column));
              const write = safe ? orNull(of) : of;
              for (let row = 0; row < chunk.rowCount; row++) {
                const cells = columns.map((cell) => cell(row));
                output.setItem(row, cells.every((cell) => cell !== null) ? write(...cells) : null);
              }
              output.flush();
            } catch (error) {
              info.setError(
                `${MARK}${error instanceof UnfitKey ? '' : `${google} failed: `}${reason(error)}`,
              );
            }
          },
        }),
      );
}

/** Reads a column's cells as bytes, whether it is BLOB or VARCHAR. */
function blobs(chunk: DuckDBDataChunk, column: number): (row: number) => Bytes {
  const vector = chunk.getColumnVector(column);
  if ('getItemBytes' in vector) {
    const bytes = vector as DuckDBBlobVector;
    return (row) => bytes.getItemBytes(row);
  }
  return (row) => {
    const item = vector.getItem(row);
    return item === null ? null : Buffer.from(String(item));
  };
}

/** What may be said of a failure: a rejection's reason, and nothing of the value. */
function reason(error: unknown): string {
  if (error instanceof UnfitKey) return error.message;
  if (error instanceof Rejection) return `decryption failed (${error.reason})`;
  if (error instanceof TypeError) return 'the plaintext is not valid UTF-8';
  return 'the keyset cannot be used';
}

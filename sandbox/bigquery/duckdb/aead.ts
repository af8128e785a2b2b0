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
import { type Aead, aead } from '../../../jobs/envelope/aead.ts';
import { aesKeyOnce } from '../../../jobs/envelope/aes.ts';
import { keysetToJson, parseKeyset } from '../../../jobs/envelope/keysets.ts';
import type { Keysets } from './keysets.ts';
import { MARK } from './mark.ts';

type Bytes = Uint8Array | null;

/** How the keyset of a call is found, from the columns before the data. */
type Source = { name: string; columns: number; types: DuckDBType[]; of: (chunk: DuckDBDataChunk) => Opener };
/** The AEAD of a row; null for a NULL keyset. */
type Opener = (row: number) => Aead | null;

/**
 * Registers AEAD.* and KEYS.* as functions of DuckDB. DuckDB hands over vectors of 2,048 rows; a row costs
 * what its ciphers cost and little more. Every kind exists three times: over a KEYSET_CHAIN's handle, over
 * a row keyset that such a keyset opens (both steps in one call), and over a BYTES keyset.
 */
export function registerAead(connection: DuckDBConnection, keysets: Keysets): void {
  for (const source of sources(keysets)) {
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
          name: `aead_${kind}${safe ? '_safe' : ''}${name}`,
          parameterTypes: [...types, BLOB, BLOB],
          returnType,
          specialHandling: true,
          // Fresh nonces: DuckDB must not fold two calls into one.
          volatile: kind === 'encrypt',
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
              info.setError(`${MARK}${google} failed: ${reason(error)}`);
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
      define('AEAD.DECRYPT_STRING', 'decrypt_string', VARCHAR, decryptString, safe);
      define('AEAD.DECRYPT_BYTES', 'decrypt_bytes', BLOB, decryptBytes, safe);
    }
    define(
      'AEAD.ENCRYPT',
      'encrypt',
      BLOB,
      (cipher, data, aad) => new DuckDBBlobValue(cipher.seal(data, aad)),
    );
  }
  registerInspection(connection);
}

/** Under SAFE. a row that does not open is NULL, whether its keyset, its ciphertext or its text is at fault. */
function orNull<A extends unknown[]>(cell: (...args: A) => DuckDBValue): (...args: A) => DuckDBValue {
  return (...args) => {
    try {
      return cell(...args);
    } catch (error) {
      if (error instanceof Rejection || error instanceof TypeError) return null;
      throw error;
    }
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function sources(keysets: Keysets): Source[] {
  const handleOf = (chunk: DuckDBDataChunk): Aead =>
    keysets.get(String(chunk.getColumnVector(0).getItem(0))).aead;
  return [
    {
      name: '_of_handle',
      columns: 1,
      types: [VARCHAR],
      of: (chunk) => {
        const cipher = handleOf(chunk);
        return () => cipher;
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
          return key === null || extra === null
            ? null
            : aead(parseKeyset(first.open(key, extra)), aesKeyOnce);
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
          if (!last?.bytes.equals(bytes))
            last = { bytes: Buffer.from(bytes), aead: aead(parseKeyset(bytes)) };
          return last.aead;
        };
      },
    },
  ];
}

function registerInspection(connection: DuckDBConnection): void {
  const define = (
    google: string,
    name: string,
    returnType: DuckDBType,
    of: (bytes: Uint8Array) => DuckDBValue,
  ) =>
    connection.registerScalarFunction(
      DuckDBScalarFunction.create({
        name,
        parameterTypes: [BLOB],
        returnType,
        specialHandling: true,
        mainFunction: (info, chunk, output) => {
          try {
            const values = blobs(chunk, 0);
            for (let row = 0; row < chunk.rowCount; row++) {
              const value = values(row);
              output.setItem(row, value === null ? null : of(value));
            }
            output.flush();
          } catch (error) {
            info.setError(`${MARK}${google} failed: ${reason(error)}`);
          }
        },
      }),
    );
  const length = 'KEYS.KEYSET_LENGTH';
  const json = 'KEYS.KEYSET_TO_JSON';
  define(length, 'keyset_length', BIGINT, (bytes) => BigInt(parseKeyset(bytes).keys.length));
  define(json, 'keyset_to_json', VARCHAR, (bytes) => keysetToJson(parseKeyset(bytes)));
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
  if (error instanceof Rejection) return `decryption failed (${error.reason})`;
  if (error instanceof TypeError) return 'the plaintext is not valid UTF-8';
  return 'the keyset cannot be used';
}

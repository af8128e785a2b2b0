/**
 * Bytes that must not be mistaken for one another. The brands exist for the compiler alone: a function
 * that logs or stores takes a Ciphertext or a WrappedKey, and handing it a Plaintext or a DataKey does
 * not compile.
 */
declare const brand: unique symbol;

/** A value in the clear. */
export type Plaintext = Buffer & { readonly [brand]: 'Plaintext' };
/** An unwrapped data key (DEK): raw AES key bytes, or a serialised keyset in the `tink` format. */
export type DataKey = Uint8Array & { readonly [brand]: 'DataKey' };
/** A data key or a keyset as Cloud KMS encrypted it. */
export type WrappedKey = Buffer & { readonly [brand]: 'WrappedKey' };
/** A value as somebody encrypted it. */
export type Ciphertext = Buffer & { readonly [brand]: 'Ciphertext' };

/**
 * Says of bytes that they are a value in the clear: for the code that has just decrypted them.
 *
 * @example
 * const email = asPlaintext(decipher.final());
 */
export const asPlaintext = (bytes: Buffer): Plaintext => bytes as Plaintext;
/**
 * Says of bytes that they are a data key: for the code that has just had it unwrapped.
 *
 * @example
 * const dek = asDataKey(response.plaintext);
 */
export const asDataKey = (bytes: Uint8Array): DataKey => bytes as DataKey;
/**
 * Says of bytes that they are a wrapped key: for the code that reads them from a table or from Cloud KMS.
 *
 * @example
 * const wrapped = asWrappedKey(Buffer.from(row.dek, 'base64'));
 */
export const asWrappedKey = (bytes: Buffer): WrappedKey => bytes as WrappedKey;
/**
 * Says of bytes that they are a ciphertext: for the code that reads them from a table or has just sealed them.
 *
 * @example
 * const sealed = asCiphertext(Buffer.concat([prefix, iv, body, tag]));
 */
export const asCiphertext = (bytes: Buffer): Ciphertext => bytes as Ciphertext;

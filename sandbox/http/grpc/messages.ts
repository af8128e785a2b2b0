/** A message's class or its description by reflection: both decode, encode and verify. */
export interface Message<T> {
  decode(bytes: Uint8Array): T;
  encode(message: T): { finish(): Uint8Array };
  verify(message: object): string | null;
}

/**
 * A request as its message describes it. Decoding skips fields that the message does not have; what is left of such
 * a request is shorter than it came. @throws Error that says what is wrong, and no value
 */
export function strictly<T extends object>(message: Message<T>, bytes: Uint8Array): T {
  // Of a Buffer protobufjs cuts short a text that says it is longer than the bytes; of plain bytes it rejects one.
  const decoded = message.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
  const wrong = message.verify(decoded);
  if (wrong !== null) throw new Error(wrong);
  if (message.encode(decoded).finish().length < bytes.length) throw new Error('it has an unknown field');
  return decoded;
}

export const bytesOf = <T>(message: Message<T>, value: T): Buffer =>
  Buffer.from(message.encode(value).finish());

/** Byte order and text forms of byte strings. One comparison for everything: JavaScript's `<` compares UTF-16 units. */

/** Order of two byte strings, shorter prefix first: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** Lowercase hex, as digests appear in JSON, logs and BanyanDB's files. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** XXH64, the hash that places entities in shards and slots. The package starts asynchronously, so only this file awaits it. */
import xxhash from 'xxhash-wasm';

const { h64, h64Raw } = await xxhash();

/** XXH64 of the UTF-8 bytes of `text`, seed 0: BanyanDB's placement function. */
export function xxh64(text: string): bigint {
  return h64(text, 0n);
}

/** XXH64 of bytes, seed 0. */
export function xxh64Bytes(bytes: Uint8Array): bigint {
  return h64Raw(bytes, 0n);
}

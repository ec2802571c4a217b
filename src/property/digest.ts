/** The digest of a version, as BanyanDB computes it. */
import { hash } from 'node:crypto';

/** SHA-512 over the source text as UTF-8 and the delete time (nanoseconds, 0 when live) in decimal; 64 bytes. */
export function sourceDigest(source: string | Buffer, deleteTime: bigint): Buffer {
  const time = `${deleteTime}`;
  const text = typeof source === 'string' ? source + time : Buffer.concat([source, Buffer.from(time)]);
  return hash('sha512', text, 'buffer');
}

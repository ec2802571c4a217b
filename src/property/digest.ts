/** The digest of a version, as BanyanDB computes it. */
import { hash } from 'node:crypto';

/** Where sources given as bytes are put before their delete time; larger ones get memory of their own. */
const scratch = Buffer.allocUnsafe(64 * 1024);

/** SHA-512 over the source text as UTF-8 and the delete time (nanoseconds, 0 when live) in decimal; 64 bytes. */
export function sourceDigest(source: string | Buffer, deleteTime: bigint): Buffer {
  const time = `${deleteTime}`;
  if (typeof source === 'string') return hash('sha512', source + time, 'buffer');
  if (source.length + time.length > scratch.length)
    return hash('sha512', Buffer.concat([source, Buffer.from(time)]), 'buffer');
  const end = source.copy(scratch) + scratch.write(time, source.length);
  return hash('sha512', scratch.subarray(0, end), 'buffer');
}

/** The digest of a version, as BanyanDB computes it. */
import { hash } from 'node:crypto';

/** SHA-512 over the source text as UTF-8 and the delete time (nanoseconds, 0 when live) in decimal; 64 bytes. */
export function sourceDigest(source: string, deleteTime: bigint): Buffer {
  return hash('sha512', `${source}${deleteTime}`, 'buffer');
}

/** Versions whose digest was computed in this process from the source they hold; by identity, so a copy counts as unknown. */
const computedHere = new WeakSet<object>();

/** Notes that this very object's digest was just computed from its own source and delete time. */
export function noteComputedDigest(version: object): void {
  computedHere.add(version);
}

/** Whether {@link noteComputedDigest} was told of this very object, so that its digest need not be computed again. */
export function hasComputedDigest(version: object): boolean {
  return computedHere.has(version);
}

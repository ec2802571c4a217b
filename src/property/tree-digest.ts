/** How digests are composed into slot digests, and slot digests into roots: over their hex text, as BanyanDB does. */
import { createHash, type Hash, hash } from 'node:crypto';
import { assert } from '../lib/assert.ts';
import { digestBytes } from './version.ts';

// Digests turned into text at a time, so that a large run of them needs 128 KiB of text and no more.
const chunkBytes = 1_024 * digestBytes;

// Single digests gathered before they are hashed: a call for each would cost more than hashing it.
const gatheredBytes = 32 * digestBytes;

/**
 * Composes digests in the order given: of leaves in key order to a slot digest, of the non-empty slots in
 * ascending slot number to a root.
 */
export class DigestComposer {
  #hash: Hash | null = null;
  #gathered: Buffer | null = null;
  #gatheredTo = 0;

  /** Adds one digest of 64 bytes. */
  update(digest: Uint8Array): void {
    assert(digest.length === digestBytes, 'a digest has 64 bytes');
    this.#gathered ??= Buffer.allocUnsafe(gatheredBytes);
    this.#gathered.set(digest, this.#gatheredTo);
    this.#gatheredTo += digestBytes;
    if (this.#gatheredTo === gatheredBytes) this.#addGathered();
  }

  /** Adds digests that stand one after another in `digests`. */
  updateMany(digests: Buffer): void {
    assert(digests.length % digestBytes === 0, 'digests have 64 bytes each');
    this.#addGathered();
    for (let offset = 0; offset < digests.length; offset += chunkBytes) {
      this.#addHex(digests.subarray(offset, offset + chunkBytes));
    }
  }

  /** The composed digest, 64 bytes; zero length if nothing was added. To be called once, last. */
  finish(): Buffer {
    this.#addGathered();
    return this.#hash === null ? Buffer.alloc(0) : this.#hash.digest();
  }

  #addGathered(): void {
    if (this.#gathered === null || this.#gatheredTo === 0) return;
    this.#addHex(this.#gathered.subarray(0, this.#gatheredTo));
    this.#gatheredTo = 0;
  }

  #addHex(bytes: Buffer): void {
    this.#hash ??= createHash('sha512');
    this.#hash.update(bytes.toString('hex'), 'latin1');
  }
}

/** {@link DigestComposer} in one call, for digests that stand one after another and are few: it makes no hash object. */
export function composeDigests(digests: Buffer): Buffer {
  assert(digests.length % digestBytes === 0, 'digests have 64 bytes each');
  return digests.length === 0 ? Buffer.alloc(0) : hash('sha512', digests.toString('hex'), 'buffer');
}

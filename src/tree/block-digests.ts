/**
 * Takes a slot's blocks as they stream past, in chunks cut anywhere, and composes the slot digest from the
 * leaf digests in them. One is used for slot after slot, so that 65,536 slots cost no more memory than one.
 */
import { assert } from '../lib/assert.ts';
import { composeDigests, DigestComposer } from '../property/tree-digest.ts';
import { digestBytes, packedVersionBytes } from '../property/version.ts';
import { blockHeadBytes } from './tree-format.ts';

/** Digests gathered before they are hashed together: a call per digest would cost more than the hashing. */
const gatherMax = 1_024;

export class BlockDigests {
  /** Only for slots of more leaves than are gathered: a hash object for each of 65,536 slots would outrun the garbage collector. */
  #composer: DigestComposer | null = null;
  readonly #gathered = Buffer.allocUnsafe(gatherMax * digestBytes);
  #gatheredBytes = 0;
  #rest: Buffer = Buffer.alloc(0);
  #leaves = 0;

  /** Takes the next bytes of the slot. */
  add(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= blockHeadBytes) {
      const blockEnd = blockHeadBytes + bytes.readUInt32LE(4);
      if (bytes.length < blockEnd) break;
      this.#addBlock(bytes.subarray(blockHeadBytes, blockEnd));
      bytes = bytes.subarray(blockEnd);
    }
    // A copy: the chunk's memory is used again for the next one.
    this.#rest = Buffer.from(bytes);
  }

  #addBlock(payload: Buffer): void {
    for (let position = 0; position < payload.length; this.#leaves += 1) {
      const keyBytes = ((payload[position] as number) << 8) | (payload[position + 1] as number);
      const end = position + 2 + keyBytes + packedVersionBytes;
      payload.copy(this.#gathered, this.#gatheredBytes, end - digestBytes, end);
      this.#gatheredBytes += digestBytes;
      if (this.#gatheredBytes === this.#gathered.length) this.#hash();
      position = end;
    }
  }

  #hash(): void {
    this.#composer ??= new DigestComposer();
    this.#composer.updateMany(this.#gathered.subarray(0, this.#gatheredBytes));
    this.#gatheredBytes = 0;
  }

  /** The digest and leaf count of the slot; the next bytes are of another. */
  finish(): { digest: Buffer; leaves: number } {
    assert(this.#rest.length === 0, 'a slot ends with a whole block');
    const finished = { digest: this.#finishDigest(), leaves: this.#leaves };
    this.#composer = null;
    this.#gatheredBytes = 0;
    this.#leaves = 0;
    return finished;
  }

  #finishDigest(): Buffer {
    if (this.#composer === null) return composeDigests(this.#gathered.subarray(0, this.#gatheredBytes));
    this.#hash();
    return this.#composer.finish();
  }
}

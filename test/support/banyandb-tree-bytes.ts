/** Writes BanyanDB tree files for tests, apart from the code under test: plain Node, straight from the layout. */
import { createHash } from 'node:crypto';

export interface MadeLeaf {
  /** `group/name/id`. */
  readonly entity: string;
  /** 128 digits of lowercase hex. */
  readonly digest: string;
}

export interface MadeSlot {
  readonly slot: number;
  readonly leaves: readonly MadeLeaf[];
}

export function sha512Hex(text: string): string {
  return createHash('sha512').update(text).digest('hex');
}

/** A whole tree file in the length-prefixed layout. */
export function makeTreeFile(slots: readonly MadeSlot[]): Buffer {
  const leafSection = slots.map(({ leaves }) =>
    Buffer.concat(leaves.map(({ entity, digest }) => framed(string(entity), string(digest)))),
  );
  let start = 0;
  const slotDigests: string[] = [];
  const slotSection = slots.map(({ slot, leaves }, index) => {
    const digest = sha512Hex(leaves.map((leaf) => leaf.digest).join(''));
    slotDigests.push(digest);
    const record = framed(svarint(slot), string(digest), svarint(start), svarint(leaves.length));
    start += leafSection[index]!.length;
    return record;
  });
  const root = string(sha512Hex(slotDigests.join('')));
  const slotEnd = start + Buffer.concat(slotSection).length;
  const footer = Buffer.concat([
    svarint(start),
    svarint(slots.length),
    svarint(slotEnd),
    svarint(root.length),
  ]);
  return Buffer.concat([...leafSection, ...slotSection, root, footer, int64(footer.length)]);
}

/** One tree file in the older layout whose records end in a newline. */
export function makeLineTreeFile(): Buffer {
  const newline = Buffer.from('\n');
  const digest = string(sha512Hex('x'));
  const leaves = Buffer.concat([string('g/n/1'), digest, newline]);
  const slots = Buffer.concat([svarint(3), digest, svarint(0), svarint(1), newline]);
  const slotEnd = leaves.length + slots.length;
  const footer = Buffer.concat([
    svarint(leaves.length),
    svarint(1),
    svarint(slotEnd),
    svarint(digest.length),
  ]);
  return Buffer.concat([leaves, slots, digest, footer, int64(footer.length)]);
}

/** One tree file in the oldest layout: nothing between records, raw digests, one byte of footer length. */
export function makeUnframedTreeFile(): Buffer {
  const digest = createHash('sha512').update('x').digest();
  const leaves = Buffer.concat([string('g/n/1'), string(sha512Hex('x'))]);
  const slots = Buffer.concat([svarint(3), uvarint(64), digest, svarint(0), svarint(leaves.length)]);
  const root = Buffer.concat([uvarint(64), digest]);
  const slotEnd = leaves.length + slots.length;
  const footer = Buffer.concat([
    svarint(leaves.length),
    svarint(slots.length),
    svarint(slotEnd),
    svarint(root.length),
  ]);
  return Buffer.concat([leaves, slots, root, footer, Buffer.from([footer.length])]);
}

function framed(...fields: Buffer[]): Buffer {
  const record = Buffer.concat(fields);
  return Buffer.concat([int64(record.length), record]);
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([uvarint(bytes.length), bytes]);
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

/** Of a number that is not negative. */
function svarint(value: number): Buffer {
  return uvarint(value * 2);
}

function uvarint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

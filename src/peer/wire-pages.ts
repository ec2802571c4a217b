/**
 * Pages of slot summaries and leaves as messages, in columns, and back. Reading checks the shape of a page
 * (columns of equal length, sizes); what a page means among others is checked by who reads the stream.
 */
import { create } from '@bufbuild/protobuf';
import { keyBytesMax } from '../property/entity.ts';
import { digestBytes, digestHeadBytes } from '../property/version.ts';
import type { Leaf, LeafPage, SlotSummary } from '../shard-copy/shard-copy.ts';
import {
  type LeafPage as WireLeafPage,
  LeafPageSchema,
  type LeavesResponse,
  LeavesResponseSchema,
  type SlotsResponse,
  SlotsResponseSchema,
} from './generated/tallystick/v1/shard_pb.ts';
import { asBuffer, badMessage, readCount } from './wire-tree.ts';

// Digest, and at most 5 and 10 bytes of varints.
const slotBytesMax = digestBytes + 15;

// Digest, revision, and at most 10 and 3 bytes of varints.
const leafBytesBesideKey = digestBytes + 8 + 13;

// Tags and lengths of a page's columns.
const leafPageOverheadBytes = 40;

/** Slot summaries in pages of at most `pageBytesMax`, or of one summary. */
export async function* encodeSlotPages(
  pages: AsyncIterable<readonly SlotSummary[]>,
  pageBytesMax: number,
): AsyncGenerator<SlotsResponse> {
  const rowsMax = Math.max(1, Math.floor(pageBytesMax / slotBytesMax));
  let gathered: SlotSummary[] = [];
  for await (const page of pages) {
    gathered = gathered.concat(page);
    for (; gathered.length >= rowsMax; gathered = gathered.slice(rowsMax))
      yield encodeSlots(gathered.slice(0, rowsMax));
  }
  if (gathered.length > 0) yield encodeSlots(gathered);
}

function encodeSlots(summaries: readonly SlotSummary[]): SlotsResponse {
  return create(SlotsResponseSchema, {
    slots: summaries.map(({ slot }) => slot),
    leaves: summaries.map(({ leaves }) => BigInt(leaves)),
    digests: Buffer.concat(summaries.map(({ digest }) => digest)),
  });
}

/** Inverse of one page of {@link encodeSlotPages}. Throws `bad-message`. */
export function decodeSlots({ slots, leaves, digests }: SlotsResponse): SlotSummary[] {
  if (slots.length === 0) throw badMessage('a page of slots without a slot');
  if (leaves.length !== slots.length || digests.length !== slots.length * digestBytes) {
    throw badMessage(
      `${slots.length} slots with ${leaves.length} counts and ${digests.length} bytes of digests`,
    );
  }
  const bytes = asBuffer(digests);
  return slots.map((slot, at) => ({
    slot,
    digest: bytes.subarray(at * digestBytes, (at + 1) * digestBytes),
    leaves: readCount(leaves[at] ?? 0n, 'leaves'),
  }));
}

/**
 * Leaf pages in messages of at most `pageBytesMax`, or of one leaf: large pages are cut, small ones travel together.
 * Digests of `headSlots` go as heads.
 */
export async function* encodeLeafPages(
  pages: AsyncIterable<LeafPage>,
  { pageBytesMax, headSlots }: { readonly pageBytesMax: number; readonly headSlots: ReadonlySet<number> },
): AsyncGenerator<LeavesResponse> {
  let gathered: WireLeafPage[] = [];
  let bytes = 0;
  for await (const { slot, leaves } of pages) {
    for (let from = 0; from < leaves.length; ) {
      let to = from;
      let more = leafPageOverheadBytes;
      for (let leaf = leaves[to]; leaf !== undefined; leaf = leaves[++to]) {
        const size = leaf.key.length + leafBytesBesideKey;
        if (to > from && bytes + more + size > pageBytesMax) break;
        more += size;
      }
      if (gathered.length > 0 && bytes + more > pageBytesMax) {
        yield create(LeavesResponseSchema, { pages: gathered });
        gathered = [];
        bytes = 0;
        continue;
      }
      gathered.push(encodeLeafPage(slot, leaves.slice(from, to), headSlots.has(slot)));
      bytes += more;
      from = to;
    }
  }
  if (gathered.length > 0) yield create(LeavesResponseSchema, { pages: gathered });
}

function encodeLeafPage(slot: number, leaves: readonly Leaf[], asHeads: boolean): WireLeafPage {
  const page = create(LeafPageSchema, {
    slot,
    keyLengths: leaves.map(({ key }) => key.length),
    keys: Buffer.concat(leaves.map(({ key }) => key)),
  });
  const heads = asHeads || leaves[0]?.digest.length === digestHeadBytes;
  const bytes = heads ? digestHeadBytes : digestBytes;
  page[heads ? 'digestHeads' : 'digests'] = Buffer.concat(
    leaves.map(({ digest }) => digest.subarray(0, bytes)),
  );
  for (const { revision, deleteTime } of leaves) {
    if (revision === null || deleteTime === null) return page;
    page.revisions.push(revision);
    page.deleteTimes.push(deleteTime);
  }
  return page;
}

/** Inverse of one page of {@link encodeLeafPages}; the leaves are views into the message. Throws `bad-message`. */
export function decodeLeafPage({
  slot,
  keyLengths,
  keys,
  digests,
  digestHeads,
  revisions,
  deleteTimes,
}: WireLeafPage): LeafPage {
  const count = keyLengths.length;
  const told = revisions.length > 0;
  if (count === 0) throw badMessage('a page of leaves without a leaf', { slot });
  const size = digestHeads.length > 0 ? digestHeadBytes : digestBytes;
  if (
    digests.length + digestHeads.length !== count * size ||
    (digests.length > 0 && digestHeads.length > 0)
  ) {
    const what = `${count} leaves with ${digests.length} bytes of digests and ${digestHeads.length} of heads`;
    throw badMessage(what, { slot });
  }
  if (revisions.length !== deleteTimes.length || (told && revisions.length !== count)) {
    throw badMessage(
      `${count} leaves with ${revisions.length} revisions and ${deleteTimes.length} delete times`,
      { slot },
    );
  }
  const keyBytes = asBuffer(keys);
  const bytes = asBuffer(digestHeads.length > 0 ? digestHeads : digests);
  const leaves: Leaf[] = [];
  let offset = 0;
  for (const [at, length] of keyLengths.entries()) {
    if (length === 0 || length > keyBytesMax) {
      throw badMessage(`a key of ${length} bytes`, { slot, ceiling: keyBytesMax });
    }
    const deleteTime = told ? (deleteTimes[at] ?? 0n) : null;
    if (deleteTime !== null && deleteTime < 0n) throw badMessage(`a delete time of ${deleteTime}`, { slot });
    leaves.push({
      key: keyBytes.subarray(offset, offset + length),
      digest: bytes.subarray(at * size, (at + 1) * size),
      revision: told ? (revisions[at] ?? 0n) : null,
      deleteTime,
    });
    offset += length;
  }
  if (offset !== keyBytes.length)
    throw badMessage(`${keyBytes.length} bytes of keys where leaves have ${offset}`, { slot });
  return { slot, leaves };
}

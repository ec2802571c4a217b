/** Group settings, spellings and descriptions of trees as messages, and back with every member checked. */
import { create } from '@bufbuild/protobuf';
import { assert } from '../lib/assert.ts';
import { CodedError } from '../lib/coded-error.ts';
import { checkGroupSettings, type GroupSettings, slotsMax } from '../property/group-settings.ts';
import type { Spelling } from '../property/source-json.ts';
import { digestBytes } from '../property/version.ts';
import type { Watermark } from '../property/watermark.ts';
import type { ViewDescription } from '../shard-copy/shard-copy.ts';
import {
  GroupSettingsSchema,
  type GroupSettings as WireSettings,
  Spelling as WireSpelling,
  type Tree,
  TreeSchema,
  type Watermark as WireWatermark,
} from './generated/tallystick/v1/shard_pb.ts';

/** Bytes of a watermark's token: ours has 16. */
const tokenBytesMax = 64;

export function badMessage(what: string, details: Readonly<Record<string, unknown>> = {}): CodedError {
  return new CodedError('bad-message', what, details);
}

/** A count that JavaScript can hold; throws `bad-message` otherwise. */
export function readCount(value: bigint, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw badMessage(`${field} is ${value}, more than can be`, { field });
  return Number(value);
}

export function toWireSpelling(spelling: Spelling | null): WireSpelling {
  if (spelling === null) return WireSpelling.UNSPECIFIED;
  return spelling === 'compact' ? WireSpelling.COMPACT : WireSpelling.SPACED;
}

export function fromWireSpelling(spelling: WireSpelling): Spelling | null {
  switch (spelling) {
    case WireSpelling.UNSPECIFIED:
      return null;
    case WireSpelling.COMPACT:
      return 'compact';
    case WireSpelling.SPACED:
      return 'spaced';
    default:
      throw badMessage(`spelling ${spelling} is unknown`, { field: 'spelling', value: spelling });
  }
}

export function toWireSettings({ shards, slots, spelling }: GroupSettings): WireSettings {
  return create(GroupSettingsSchema, { shards, slots, spelling: toWireSpelling(spelling) });
}

/** Throws `bad-argument` for numbers out of range, `bad-message` where members are missing. */
export function fromWireSettings(wire: WireSettings | undefined): GroupSettings {
  const spelling = wire === undefined ? null : fromWireSpelling(wire.spelling);
  if (wire === undefined || spelling === null)
    throw badMessage('group settings are missing', { field: 'settings' });
  const settings = { shards: wire.shards, slots: wire.slots, spelling };
  checkGroupSettings(settings);
  return settings;
}

/** A description as a message; what equals `settings` is left out, where they are given. */
export function toWireTree(description: ViewDescription, settings?: GroupSettings): Tree {
  const { shards, slotScheme, spelling, watermark, liveLeaves, generation, builtAtMs } = description;
  const tree = create(TreeSchema, {
    root: description.root,
    leaves: BigInt(description.leaves),
    stale: description.stale,
  });
  if (liveLeaves !== null) tree.liveLeaves = BigInt(liveLeaves);
  if (generation !== null) tree.generation = generation;
  if (watermark !== null) tree.watermark = toWireWatermark(watermark);
  if (builtAtMs !== null) tree.builtAtMs = BigInt(Math.max(0, Math.trunc(builtAtMs)));
  if (shards !== null && shards !== settings?.shards) tree.shards = shards;
  if (slotScheme !== null && slotScheme.slots !== settings?.slots) tree.slots = slotScheme.slots;
  if (slotScheme !== null && slotScheme.seed !== 0n) tree.slotSeed = slotScheme.seed;
  if (spelling !== settings?.spelling) tree.spelling = toWireSpelling(spelling);
  return tree;
}

function toWireWatermark({ sequence, token }: Watermark): WireWatermark {
  return { $typeName: 'tallystick.v1.Watermark', sequence, token: Buffer.from(token, 'hex') };
}

/** Inverse of {@link toWireTree}. Throws `bad-message` for members that cannot be. */
export function fromWireTree(
  tree: Tree,
  { group, shard }: { readonly group: string; readonly shard: number },
  settings?: GroupSettings,
): ViewDescription {
  const root = asBuffer(tree.root);
  const leaves = readCount(tree.leaves, 'leaves');
  const liveLeaves = tree.liveLeaves === undefined ? null : readCount(tree.liveLeaves, 'live leaves');
  if (root.length !== (leaves === 0 ? 0 : digestBytes)) {
    throw badMessage(`a root of ${root.length} bytes over ${leaves} leaves`, { group, shard });
  }
  if (liveLeaves !== null && liveLeaves > leaves) {
    throw badMessage(`${liveLeaves} live leaves of ${leaves}`, { group, shard });
  }
  const slots = tree.slots ?? settings?.slots ?? null;
  const shards = tree.shards ?? settings?.shards ?? null;
  if (slots !== null) checkNumbers({ shards: shards ?? shard + 1, slots });
  if (shards !== null && shard >= shards) throw badMessage(`shard ${shard} of ${shards}`, { group, shard });
  return {
    group,
    shard,
    shards,
    slotScheme: slots === null ? null : { hash: 'xxh64', seed: tree.slotSeed ?? 0n, slots },
    spelling: fromWireSpelling(tree.spelling) ?? settings?.spelling ?? null,
    root,
    leaves,
    liveLeaves,
    generation: tree.generation ?? null,
    watermark: tree.watermark === undefined ? null : fromWireWatermark(tree.watermark),
    builtAtMs: tree.builtAtMs === undefined ? null : readCount(tree.builtAtMs, 'build time'),
    stale: tree.stale,
  };
}

function checkNumbers(numbers: { readonly shards: number; readonly slots: number }): void {
  try {
    checkGroupSettings(numbers);
  } catch (error) {
    throw new CodedError('bad-message', CodedError.from(error).message, {}, { cause: error });
  }
}

function fromWireWatermark({ sequence, token }: WireWatermark): Watermark {
  if (token.length > tokenBytesMax) throw badMessage(`a watermark token of ${token.length} bytes`);
  return { sequence, token: asBuffer(token).toString('hex') };
}

/** The same bytes as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Checks slot numbers that came over the wire: ascending, each below `slots`. */
export function checkSlotNumbers(numbers: readonly number[], slots: number): void {
  assert(slots <= slotsMax, 'a slot count is checked where it enters');
  let previous = -1;
  for (const slot of numbers) {
    if (slot <= previous || slot >= slots) {
      throw badMessage(`slot ${slot} after slot ${previous} of ${slots}`, { field: 'slots', value: slot });
    }
    previous = slot;
  }
}

/** What all shards of a group have in common, set when the group is first loaded and kept. */
import { CodedError } from '../lib/coded-error.ts';
import type { Spelling } from './source-json.ts';

export interface GroupSettings {
  /** Shard count, 1 to {@link shardsMax}. */
  readonly shards: number;
  /** Tree slots, a power of two up to 65,536. */
  readonly slots: number;
  readonly spelling: Spelling;
}

/** Ceiling of shards of a group: each is a database with its own connections. */
export const shardsMax = 4_096;

/** BanyanDB's default slot count, so that roots are comparable unless somebody chose otherwise. */
export const defaultSlots = 32;

/** Slot count ceiling: memory of a build and of a slot list is bounded by it. */
export const slotsMax = 65_536;

/** Throws `bad-argument` when a number is out of its range. */
export function checkGroupSettings(settings: Pick<GroupSettings, 'shards' | 'slots'>): void {
  const { shards, slots } = settings;
  if (!Number.isInteger(shards) || shards < 1 || shards > shardsMax) {
    throw new CodedError('bad-argument', `shards must be 1 to ${shardsMax}, not ${shards}`, {
      field: 'shards',
      value: shards,
    });
  }
  if (!Number.isInteger(slots) || slots < 1 || slots > slotsMax || (slots & (slots - 1)) !== 0) {
    throw new CodedError('bad-argument', `slots must be a power of two from 1 to ${slotsMax}, not ${slots}`, {
      field: 'slots',
      value: slots,
    });
  }
}

// Group names become directory names: one path component on every system, never hidden, never a way out of the data root.
const groupNamePattern = /^[^./\\\p{Cc}:*?"<>|][^/\\\p{Cc}:*?"<>|]*$/u;
const groupNameBytesMax = 200;

// Devices of Windows, whatever the case and whatever follows a dot: a data root made elsewhere could not be moved there.
const deviceNamePattern = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i;

/** Throws `bad-argument` unless the name is safe as one path component. */
export function checkGroupName(group: string): void {
  if (
    !groupNamePattern.test(group) ||
    /[. ]$/.test(group) ||
    deviceNamePattern.test(group) ||
    Buffer.byteLength(group) > groupNameBytesMax ||
    !group.isWellFormed()
  ) {
    throw new CodedError(
      'bad-argument',
      `group name ${JSON.stringify(group)} is not safe as a directory name`,
      {
        field: 'group',
        value: group,
      },
    );
  }
}

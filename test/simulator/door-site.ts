/** Where applications of a simulated cluster write through a property store. */
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { Door } from './door.ts';
import type { Replica } from './replica.ts';
import type { SkewedClock } from './virtual-time.ts';

/** A machine with a property store. */
export interface DoorSite {
  readonly name: string;
  readonly clock: SkewedClock;
  readonly settings: GroupSettings;
  /** The replica whose process it is part of; null for a machine that holds no shard. */
  readonly replica: Replica | null;
  /** In this life; null where it was not called yet, or is away. */
  door: Door | null;
  lives: number;
  /** Whether a machine that holds nothing runs. */
  up: boolean;
}

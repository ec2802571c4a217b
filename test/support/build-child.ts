/** Builds a shard's tree and kills itself at the n-th time it comes to a named crash point. */
import { systemClock } from '../../src/lib/clock.ts';
import { setCrashHook } from '../../src/lib/crash-point.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { ShardIdentity } from '../../src/property-index/schema.ts';
import { buildTree } from '../../src/tree/build-tree.ts';

export interface BuildChildInput {
  readonly identity: ShardIdentity;
  readonly settings: GroupSettings;
  readonly point: string;
  readonly occurrence: number;
}

const { identity, settings, point, occurrence } = JSON.parse(process.argv[2] as string) as BuildChildInput;
let left = occurrence;
setCrashHook((name) => {
  if (name !== point) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
});
await buildTree({ identity, settings, clock: systemClock });

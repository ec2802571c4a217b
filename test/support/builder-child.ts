/** Closes a tree builder while builds wait, and says so; a process of its own, with nothing else that keeps it alive. */
import { systemClock } from '../../src/lib/clock.ts';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { ShardIdentity } from '../../src/property-index/schema.ts';
import { TreeBuilder } from '../../src/tree/tree-builder.ts';

export interface BuilderChildInput {
  readonly identity: ShardIdentity;
  readonly settings: GroupSettings;
}

const { identity, settings } = JSON.parse(process.argv[2] ?? '') as BuilderChildInput;
const builder = new TreeBuilder(systemClock);
const builds = Array.from({ length: 5 }, () => builder.build({ identity, settings, force: true }));
const outcomes = Promise.allSettled(builds);
await builds[0];
await builder[Symbol.asyncDispose]();
const later = await builder.build({ identity, settings }).catch((error) => error.code);
const failed = (await outcomes).filter(({ status }) => status === 'rejected');
process.stdout.write(`${JSON.stringify({ closed: true, cancelled: failed.length > 0, later })}\n`);

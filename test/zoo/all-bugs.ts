/** All bugs of the zoo. */
import type { Bug } from './bug.ts';
import { bugsOfNodes } from './bugs-of-nodes.ts';
import { bugsOfRepair } from './bugs-of-repair.ts';
import { bugsOfStorage } from './bugs-of-storage.ts';
import { bugsOfStores } from './bugs-of-stores.ts';
import { bugsOfTrees } from './bugs-of-trees.ts';
import { bugsOfVersions } from './bugs-of-versions.ts';
import { bugsOfWire } from './bugs-of-wire.ts';

export const allBugs: readonly Bug[] = [
  ...bugsOfVersions,
  ...bugsOfTrees,
  ...bugsOfRepair,
  ...bugsOfNodes,
  ...bugsOfStorage,
  ...bugsOfStores,
  ...bugsOfWire,
];

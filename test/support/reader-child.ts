/** Opens the newest tree of a folder, says its generation, and for each line it is told reads all of it and says the root. */
import { createInterface } from 'node:readline';
import { TreeDirectory } from '../../src/tree/tree-directory.ts';
import { naiveRootOf, readTree } from './naive-tree.ts';

const reader = await new TreeDirectory(JSON.parse(process.argv[2] as string) as string).openNewest();
if (reader === null) throw new Error('there is no tree');
console.log(String(reader.header.generation));
for await (const _ of createInterface({ input: process.stdin })) {
  console.log(naiveRootOf((await readTree(reader)).slots));
}

/** `build`: a tree per group and shard of a data root. */
import { stat } from 'node:fs/promises';
import { CodedError } from '../lib/coded-error.ts';
import { slotsMax } from '../property/group-settings.ts';
import { changeSlots, isDataRoot } from '../property-index/data-root.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { buildLocalTree } from './build-local.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes, wholeNumber } from './command.ts';
import { matchPlaces } from './places.ts';
import { addNarrowing, openPlaces, type PlaceNarrowing } from './place-options.ts';
import { toHex } from '../lib/bytes.ts';

interface BuildCommandOptions extends PlaceNarrowing {
  readonly root?: string;
  readonly slots?: number;
  readonly force?: boolean;
}

export const addBuild: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('build')
    .description('Builds the tree of every shard that changed since its last one.')
    .argument('[place]', 'a data root')
    .option('--root <dir>', 'the same as PLACE')
    .option('--slots <count>', 'change the slot count of the groups: a power of two', wholeNumber(1, slotsMax))
    .option('--force', 'build unchanged shards too')
    .addHelpText('after', '\nExample: tallystick build ./replica-1');
  addRun<BuildCommandOptions>(addNarrowing(command), environment, onExit, runBuild);
};

async function runBuild(context: CommandContext, names: string[], options: BuildCommandOptions): Promise<ExitCode> {
  const root = await dataRootOf([...names, ...(options.root === undefined ? [] : [options.root])]);
  await using builder = new TreeBuilder();
  const places = await openPlaces(context, [root], { ...options, builder });
  const targets = await matchPlaces(places, options, context.signal);
  if (options.slots !== undefined) {
    for (const group of new Set(targets.map((target) => target.group))) await changeSlots(root, group, options.slots);
  }
  let built = 0;
  for (const { group, shard } of targets) {
    const result = await buildLocalTree(context, builder, { root, group, shard }, { force: options.force === true });
    if (result.outcome === 'built') built += 1;
    const { generation, leaves, outcome, reason, root: digest } = result;
    await context.out.result(
      { group, shard, generation: Number(generation), root: digest, leaves, outcome, reason },
      `${group} shard ${shard}: ${outcome}${reason === null ? '' : ` (${reason})`}, ${leaves} leaves, generation ${generation}, root ${toHex(digest).slice(0, 16) || 'empty'}`,
    );
  }
  await context.out.summary(
    { built, skipped: targets.length - built },
    `${built} built, ${targets.length - built} unchanged`,
  );
  return exitCodes.done;
}

async function dataRootOf(named: readonly string[]): Promise<string> {
  const [root, second] = named;
  if (root === undefined || second !== undefined) {
    throw new CodedError('bad-argument', 'build takes one data root: PLACE or --root DIR', { field: 'place', value: named });
  }
  const found = await stat(root).catch(() => null);
  if (found === null) throw new CodedError('not-found', `there is no ${root}`, { field: 'place', value: root });
  if (!found.isDirectory() || !(await isDataRoot(root))) {
    throw new CodedError('bad-argument', `${root} is no data root; trees are built from one`, { field: 'place', value: root });
  }
  return root;
}


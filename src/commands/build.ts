/** `build`: a tree per group and shard of a data root. */
import { CodedError } from '../lib/coded-error.ts';
import { slotsMax } from '../property/group-settings.ts';
import { changeSlots } from '../property-index/data-root.ts';
import type { BuildOrder, BuiltShard, Member } from '../round/member.ts';
import {
  addRun,
  type AddVerb,
  type CommandContext,
  type ExitCode,
  exitCodes,
  wholeNumber,
} from './command.ts';
import { matchPlaces } from './places.ts';
import { addPlaceOptions, type PlaceOptions, withPlaces } from './place-options.ts';
import { toHex } from '../lib/bytes.ts';

interface BuildCommandOptions extends PlaceOptions {
  readonly root?: string;
  readonly slots?: number;
  readonly force?: boolean;
}

export const addBuild: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('build')
    .description('Builds the tree of every shard that changed since its last one.')
    .argument('[place]', 'a data root, or HOST:PORT of a peer')
    .option('--root <dir>', 'the same as PLACE')
    .option(
      '--slots <count>',
      'change the slot count of the groups: a power of two',
      wholeNumber(1, slotsMax),
    )
    .option('--force', 'build unchanged shards too')
    .addHelpText('after', '\nExample: tallystick build ./replica-1');
  addRun<BuildCommandOptions>(addPlaceOptions(command), environment, onExit, runBuild);
};

function runBuild(context: CommandContext, names: string[], options: BuildCommandOptions): Promise<ExitCode> {
  const name = onePlace([...names, ...(options.root === undefined ? [] : [options.root])]);
  return withPlaces(context, [name], options, async (places) => {
    for (const place of places) await buildPlace(context, place, options);
    return exitCodes.done;
  });
}

async function buildPlace(
  context: CommandContext,
  place: Member,
  options: BuildCommandOptions,
): Promise<void> {
  const { out, signal } = context;
  if (place.kind === 'tree-file') {
    const message = `${place.place} is a tree file; trees are built from a data root`;
    throw new CodedError('read-only', message, { field: 'place', value: place.place });
  }
  const targets = await matchPlaces([place], options, signal);
  if (options.slots !== undefined) await changeSlotsOf(place, targets, options.slots);
  let built = 0;
  await place.build(targets, {
    signal,
    force: options.force,
    onProgress: (text) => out.progress(() => text),
    onBuilt: async (shard) => {
      if (shard.outcome === 'built') built += 1;
      await out.result({ ...shard, generation: Number(shard.generation) }, readableBuild(shard));
    },
  });
  const skipped = targets.length - built;
  await out.summary({ built, skipped }, `${built} built, ${skipped} unchanged`);
}

async function changeSlotsOf(place: Member, targets: readonly BuildOrder[], slots: number): Promise<void> {
  if (place.kind !== 'root') {
    const message = 'the slot count of a peer is changed where its data root is';
    throw new CodedError('bad-argument', message, { field: 'slots', value: slots });
  }
  for (const group of new Set(targets.map((target) => target.group)))
    await changeSlots(place.place, group, slots);
}

function onePlace(named: readonly string[]): string {
  const [place, second] = named;
  if (place !== undefined && second === undefined) return place;
  throw new CodedError('bad-argument', 'build takes one place: PLACE or --root DIR', {
    field: 'place',
    value: named,
  });
}

function readableBuild({ group, shard, outcome, reason, leaves, generation, root }: BuiltShard): string {
  const why = reason === null ? '' : ` (${reason})`;
  return `${group} shard ${shard}: ${outcome}${why}, ${leaves} leaves, generation ${generation}, root ${toHex(root).slice(0, 16) || 'empty'}`;
}

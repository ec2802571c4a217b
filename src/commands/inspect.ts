/** `inspect`: header, slots and, if asked, leaves of the trees of a place. */
import { toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { joinEntity, parseEntityKey } from '../property/entity.ts';
import type { Member } from '../round/member.ts';
import type { ShardView, SlotSummary, ViewDescription } from '../shard-copy/shard-copy.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';
import { matchPlaces } from './places.ts';
import { addPlaceOptions, type PlaceOptions, withPlaces } from './place-options.ts';

interface InspectOptions extends PlaceOptions {
  readonly leaves?: boolean;
}

export const addInspect: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('inspect')
    .description('Shows the tree of every shard of a place: what it is of, its slots, its leaves.')
    .argument('<place>', 'a data root, a tree file, a BanyanDB tree file or folder of them, or HOST:PORT')
    .option('--leaves', 'also list every leaf')
    .addHelpText('after', '\nExample: tallystick inspect ./replica-1 --leaves');
  addRun<InspectOptions>(addPlaceOptions(command), environment, onExit, runInspect);
};

function runInspect(context: CommandContext, names: string[], options: InspectOptions): Promise<ExitCode> {
  return withPlaces(context, names, options, (places) => inspectPlaces(context, places, options));
}

async function inspectPlaces(
  context: CommandContext,
  places: readonly Member[],
  options: InspectOptions,
): Promise<ExitCode> {
  const targets = await matchPlaces(places, options, context.signal);
  let shards = 0;
  let leaves = 0;
  let missing = 0;
  for (const { group, shard, copies } of targets) {
    for (const copy of copies) {
      try {
        await using view = await copy.openView({ signal: context.signal });
        await tellShard(context, view, options.leaves === true);
        shards += 1;
        leaves += view.description.leaves;
      } catch (error) {
        if (!(error instanceof CodedError) || error.code !== 'no-tree') throw error;
        missing += 1;
        await tellMissing(context, group, shard);
      }
    }
  }
  const without = missing === 0 ? '' : `, ${missing} without a tree (tallystick build makes one)`;
  await context.out.summary({ shards, leaves, missing }, `${shards} shards, ${leaves} leaves${without}`);
  return missing === 0 ? exitCodes.done : exitCodes.inconclusive;
}

async function tellMissing({ out }: CommandContext, group: string, shard: number): Promise<void> {
  const line = {
    group,
    shard,
    generation: null,
    slotScheme: null,
    spelling: null,
    root: null,
    leaves: null,
    slots: [],
  };
  await out.result(line, `${group} shard ${shard}: no tree`);
}

async function tellShard(context: CommandContext, view: ShardView, withLeaves: boolean): Promise<void> {
  const { description } = view;
  const slots: SlotSummary[] = [];
  for await (const page of view.slots(context.signal)) slots.push(...page);
  const { group, shard, spelling, root, leaves, liveLeaves, watermark, builtAtMs, stale, shards } =
    description;
  const line = {
    group,
    shard,
    generation: description.generation === null ? null : Number(description.generation),
    slotScheme: schemeJson(description),
    spelling,
    root,
    leaves,
    slots: slots.map(({ slot, digest, leaves: count }) => ({ slot, digest, leaves: count })),
    liveLeaves,
    shards,
    watermark,
    builtAtMs,
    stale,
  };
  await context.out.result(line, readableShard(description, slots));
  if (!withLeaves) return;
  const numbers = slots.map(({ slot }) => slot);
  for await (const page of view.leaves(numbers, context.signal)) {
    for (const { key, digest, revision, deleteTime } of page.leaves) {
      const entity = joinEntity(parseEntityKey(group, key));
      const version =
        revision === null ? '' : `  revision ${revision}${deleteTime ? `, deleted ${deleteTime}` : ''}`;
      await context.out.result(
        { slot: page.slot, entity, digest, revision, deleteTime },
        `  ${String(page.slot).padStart(5)}  ${toHex(digest).slice(0, 16)}  ${entity}${version}`,
      );
    }
  }
}

function schemeJson({ slotScheme }: ViewDescription): Record<string, unknown> | null {
  return slotScheme === null
    ? null
    : { hash: slotScheme.hash, seed: String(slotScheme.seed), slots: slotScheme.slots };
}

function readableShard(description: ViewDescription, slots: readonly SlotSummary[]): string {
  const { group, shard, generation, slotScheme, spelling, root, leaves, liveLeaves, builtAtMs, stale } =
    description;
  const counts = slots.map((slot) => slot.leaves);
  const fewest = counts.reduce((least, count) => Math.min(least, count), counts[0] ?? 0);
  const most = counts.reduce((greatest, count) => Math.max(greatest, count), 0);
  return [
    `${group} shard ${shard}${stale ? ' (the index has moved on since)' : ''}`,
    `  root        ${toHex(root) || 'empty'}`,
    `  leaves      ${leaves}${liveLeaves === null ? '' : `, ${liveLeaves} live`}`,
    `  slots       ${slots.length}${slotScheme === null ? '' : ` of ${slotScheme.slots}`} in use, ${fewest} to ${most} leaves each`,
    `  spelling    ${spelling ?? 'not told'}`,
    `  generation  ${generation ?? 'not told'}${builtAtMs === null ? '' : `, built ${new Date(builtAtMs).toISOString()}`}`,
  ].join('\n');
}

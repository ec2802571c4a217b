/** `demo`: the tour. Three replicas of real data drift apart, are compared, repaired and proved equal. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';
import type { Version } from '../property/version.ts';
import { repairShards } from '../repair/repair-shards.ts';
import type { RepairChange, RepairReport } from '../repair/report.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode, exitCodes } from './command.ts';
import { checkEntities, ensure, indent, rootsTable, sameRoots } from './demo-checks.ts';
import { tourCluster } from './demo-cluster.ts';
import { demoEntities, replicaNames } from './demo-data.ts';
import { DemoReplicas, emptiedShard } from './demo-replicas.ts';
import { table } from './output.ts';

interface DemoOptions {
  readonly root?: string;
  readonly cluster?: boolean;
}

const searchedWords = 'JSON patch';

/** Characters of an id in the table of differences. */
const shownCharacters = 40;

export const addDemo: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('demo')
    .description(
      'The tour: three replicas of some 2,500 MIME types drift apart, are compared, repaired and proved equal.',
    )
    .option(
      '--root <dir>',
      'keep the replicas in this folder, which must be empty (default: a temporary one, removed)',
    )
    .option(
      '--cluster',
      'with three processes over the wire, one of which is killed in the middle of a round',
    )
    .addHelpText('after', '\nExamples:\n  tallystick demo --root ./tour\n  tallystick demo --cluster');
  addRun<DemoOptions>(command, environment, onExit, runDemo);
};

async function runDemo(
  context: CommandContext,
  _: string[],
  { root, cluster }: DemoOptions,
): Promise<ExitCode> {
  const directory = root ?? (await mkdtemp(join(tmpdir(), 'tallystick-demo-')));
  if (root !== undefined) await checkEmpty(root);
  try {
    await using builder = new TreeBuilder(context.clock);
    const replicas = new DemoReplicas(directory, context, builder);
    await (cluster === true ? tourCluster(context, replicas) : tour(context, replicas, root));
  } finally {
    if (root === undefined) await rm(directory, { recursive: true, force: true });
  }
  return exitCodes.done;
}

async function checkEmpty(root: string): Promise<void> {
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (names.length === 0) return;
  throw new CodedError('bad-argument', `${root} is not empty; the tour takes a folder of its own`, {
    field: 'root',
    value: root,
  });
}

async function tour(
  context: CommandContext,
  replicas: DemoReplicas,
  kept: string | undefined,
): Promise<void> {
  const { out } = context;
  const entities = demoEntities();
  const written = await replicas.fill(entities);
  await replicas.emptyShard();
  const affected = entities.filter(({ mishap }) => mishap !== 'none').length;
  await out.result(
    { step: 'written', entities: entities.length, versions: written, affected, emptiedShard },
    `1. ${entities.length} MIME types written to three replicas in four shards, ${written} versions in all.
   ${affected} of them met with a mishap, and ${replicaNames[2]} lost shard ${emptiedShard} altogether.\n`,
  );

  const before = await replicas.build();
  ensure(!before.some(sameRoots), 'before the repair every shard differs');
  await out.result(
    { step: 'built', shards: before },
    `2. Trees built. Their roots tell that the replicas differ:\n\n${rootsTable(before)}\n`,
  );

  await tellDifferences(context, replicas);
  const repaired = await repairOnce(context, replicas);
  const after = await replicas.build();
  ensure(
    repaired.outcome === 'repaired',
    `the repair repairs, but it ended as ${repaired.outcome}: ${repaired.reason}`,
  );
  ensure(after.every(sameRoots), 'after the repair all replicas have the same roots');
  await out.result(
    { step: 'repaired', ...figures(repaired), shards: after },
    `4. Repaired: ${repaired.changed} versions changed, ${repaired.shipped} values sent (${kib(repaired.bytes)}). Trees built again:\n\n${rootsTable(after)}\n`,
  );
  const again = await repairOnce(context, replicas);
  ensure(again.outcome === 'matched' && again.shipped === 0, 'a second repair finds nothing to do');
  await out.result(
    { step: 'repaired again', ...figures(again) },
    `5. Repaired again: ${again.outcome}, ${again.shipped} values sent.`,
  );

  const deletes = checkEntities(replicas, entities);
  const damages = await replicas.verify();
  const found = await replicas.search(0, searchedWords);
  ensure(damages.length === 0, `everything verifies: ${damages[0]?.message}`);
  ensure(found.length > 0, `a search for ${searchedWords} finds something`);
  await out.result(
    { step: 'checked', deletes, damages: damages.length, searched: searchedWords, found },
    `6. Each of the ${deletes} deleted types is still deleted everywhere, everything verifies, and a search for
   "${searchedWords}" finds ${found.slice(0, 3).join(', ')}.\n`,
  );

  await out.summary(
    {
      ...figures(repaired),
      outcome: 'equal',
      entities: entities.length,
      deletes,
      roots: after.map(({ roots }) => roots[0]),
    },
    `The three replicas are equal to the byte, and no delete was undone.${kept === undefined ? '' : `\nThey are in ${kept}; try: tallystick diff ${replicas.roots.join(' ')}`}`,
  );
}

/** What a repair would do, by kind, with an example of each. */
async function tellDifferences(
  { out, clock, signal }: CommandContext,
  replicas: DemoReplicas,
): Promise<void> {
  const kinds = new Map<string, { changes: number; example: RepairChange }>();
  const onChange = (change: RepairChange): void => {
    const kind = kindOf(change);
    const known = kinds.get(kind);
    kinds.set(kind, { changes: (known?.changes ?? 0) + 1, example: known?.example ?? change });
  };
  const report = await repairShards(replicas.targets(), { clock, signal, dryRun: true, onChange });
  const shown = [...kinds].map(([kind, { changes, example }]) => [
    kind,
    changes,
    ...readableExample(example),
  ]);
  const text = table(['why', 'changes', 'for example', 'at', 'has', 'to get'], shown);
  await out.result(
    {
      step: 'compared',
      outcome: report.outcome,
      differing: report.differing,
      kinds: [...kinds].map(([kind, { changes, example }]) => ({
        kind,
        changes,
        entity: example.entity,
        place: example.place,
      })),
    },
    `3. Compared: ${report.differing} entities differ. What a repair would change, and to which winner:\n\n${indent(text)}\n`,
  );
  ensure(report.outcome === 'differs', `a dry run says that they differ, not ${report.outcome}`);
}

function kindOf({ place, shard, before, after, reason }: RepairChange): string {
  if (before === null)
    return place === replicaNames[2] && shard === emptiedShard ? 'lost with the shard' : 'write missed';
  return before.deleteTime !== 0n && after.deleteTime === 0n ? 'written after the delete' : reason;
}

function readableExample({ entity, place, before, after }: RepairChange): string[] {
  const id = entity.split('/').slice(2).join('/');
  const shown = id.length <= shownCharacters ? id : `${id.slice(0, shownCharacters - 1)}…`;
  return [shown, place, readableVersion(before), readableVersion(after)];
}

function readableVersion(version: Version | null): string {
  if (version === null) return 'nothing';
  const written = new Date(Number(version.revision / 1_000_000n))
    .toISOString()
    .slice(5, 19)
    .replace('T', ' ');
  return `${version.deleteTime === 0n ? '' : 'delete of '}${written}`;
}

async function repairOnce(
  { out, clock, signal }: CommandContext,
  replicas: DemoReplicas,
): Promise<RepairReport> {
  return repairShards(replicas.targets(), {
    clock,
    signal,
    onProgress: ({ phase, shard, entitiesDone, entitiesTotal }) =>
      out.progress(() => `${phase} shard ${shard}: ${entitiesDone} of ${entitiesTotal}`),
  });
}

function figures(report: RepairReport): Record<string, unknown> {
  const { outcome, differing, changed, shipped, bytes } = report;
  return { outcome, differing, changed, shipped, bytes };
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`;
}

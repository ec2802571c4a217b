/** `verify`: trees against their checksums and, in a data root, against the property index. Changes nothing. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openBanyandbTree, shardOfPath } from '../banyandb/tree-file-view.ts';
import { parseAddress } from '../lib/address.ts';
import { compareBytes, toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { FileReader } from '../lib/file-reader.ts';
import { type GroupSettings, shardsMax } from '../property/group-settings.ts';
import { readGroupSettings } from '../property-index/data-root.ts';
import type { Damage } from '../property-index/verify-index.ts';
import { damageOf, verifyView } from '../shard-copy/verify-view.ts';
import { type VerifiedShard, verifyShard } from '../shard-copy/verify-shard.ts';
import { openTreeFile } from '../shard-copy/tree-file-copy.ts';
import type { ShardView } from '../shard-copy/shard-copy.ts';
import { headMagic } from '../tree/tree-format.ts';
import {
  addRun,
  type AddVerb,
  type CommandContext,
  type ExitCode,
  exitCodes,
  wholeNumber,
} from './command.ts';
import { checkDataRoot } from './data-root-shard.ts';
import { treesOfFolder } from './places.ts';

/** Problems that are listed; who has more needs a backup, not a list. */
const problemsListedMax = 10_000;

interface VerifyOptions {
  readonly group?: string;
  readonly shard?: number;
}

interface Problem extends Damage {
  readonly place: string;
  readonly group: string | null;
  readonly shard: number | null;
}

/** What was found over all shards of the place. */
interface Findings {
  readonly place: string;
  readonly problems: Problem[];
  problemCount: number;
  shards: number;
  leaves: number;
  stale: boolean;
  withoutTree: number;
}

const help = `
Ends with 1 where something is damaged. Trees are derived: "tallystick build --force" makes them anew; a damaged
property index is restored from a backup, or emptied and repaired from the other replicas.

Example: tallystick verify ./replica-1`;

export const addVerify: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('verify')
    .description(
      'Reads everything in a place and checks it: trees, property index, and one against the other.',
    )
    .argument('<place>', 'a data root, a tree file, or tree files of BanyanDB or a folder of them')
    .option('--group <group>', 'only this group of a data root')
    .option('--shard <number>', 'only this shard of a data root', wholeNumber(0, shardsMax - 1))
    .addHelpText('after', help);
  addRun<VerifyOptions>(command, environment, onExit, runVerify);
};

async function runVerify(
  context: CommandContext,
  [place = '']: string[],
  narrowing: VerifyOptions,
): Promise<ExitCode> {
  const findings: Findings = {
    place,
    problems: [],
    problemCount: 0,
    shards: 0,
    leaves: 0,
    stale: false,
    withoutTree: 0,
  };
  const found = await stat(place).catch((error: unknown) => {
    const isAddress = typeof parseAddress(place) !== 'string';
    const message = isAddress
      ? `verify reads the files of a place: run it where the data root of ${place} is`
      : `there is no ${place}`;
    const code = isAddress ? 'bad-argument' : 'not-found';
    throw new CodedError(code, message, { field: 'place', value: place }, { cause: error });
  });
  const trees = found.isDirectory() ? await treesOfFolder(place) : [place];
  if (trees.length === 0) await verifyRoot(context, findings, narrowing);
  for (const tree of trees) await verifyFile(context, findings, tree);
  return tellFindings(context, findings);
}

async function verifyRoot(
  context: CommandContext,
  findings: Findings,
  narrowing: VerifyOptions,
): Promise<void> {
  const root = findings.place;
  await checkDataRoot(root);
  const groups = (await groupNames(root)).filter(
    (group) => narrowing.group === undefined || group === narrowing.group,
  );
  if (groups.length === 0 && narrowing.group !== undefined) {
    throw new CodedError('not-found', `${root} has no group ${narrowing.group}`, {
      field: 'group',
      value: narrowing.group,
    });
  }
  for (const group of groups) {
    const settings = await settingsOf(root, group, findings);
    const shards = settings === null ? [] : Array.from({ length: settings.shards }, (_, shard) => shard);
    if (settings === null) continue;
    if (narrowing.shard !== undefined && narrowing.shard >= settings.shards) {
      throw new CodedError('not-found', `group ${group} of ${root} has no shard ${narrowing.shard}`, {
        field: 'shard',
        value: narrowing.shard,
      });
    }
    for (const shard of narrowing.shard === undefined ? shards : [narrowing.shard]) {
      await verifyRootShard(context, findings, { group, shard, settings });
    }
  }
}

/** Groups that have data or trees, in byte order. */
async function groupNames(root: string): Promise<string[]> {
  const names = new Set<string>();
  for (const folder of ['data', 'trees']) {
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) names.add(entry.name);
  }
  return [...names].sort((a, b) => compareBytes(Buffer.from(a), Buffer.from(b)));
}

async function settingsOf(root: string, group: string, findings: Findings): Promise<GroupSettings | null> {
  try {
    const settings = await readGroupSettings(root, group);
    const trees = join(root, 'trees', group);
    if (settings === null && (await stat(trees).catch(() => null)) !== null) {
      const message = `there are trees of group ${group} and no properties`;
      note(findings, { group, shard: null }, { file: trees, offset: null, entity: null, message });
    }
    return settings;
  } catch (error) {
    note(findings, { group, shard: null }, damageOf(error, root));
    return null;
  }
}

async function verifyRootShard(
  { out, signal }: CommandContext,
  findings: Findings,
  {
    group,
    shard,
    settings,
  }: { readonly group: string; readonly shard: number; readonly settings: GroupSettings },
): Promise<void> {
  const before = findings.problemCount;
  const verified = await verifyShard({
    identity: { root: findings.place, group, shard },
    settings,
    onDamage: (damage) => note(findings, { group, shard }, damage),
    onProgress: (phase, done) => out.progress(() => `verifying ${group}/${shard}: ${phase}, ${done} read`),
    signal,
  });
  const problems = findings.problemCount - before;
  findings.shards += 1;
  findings.leaves += verified.leaves ?? 0;
  findings.stale ||= verified.stale;
  if (verified.generation === null) findings.withoutTree += 1;
  const { generation, root, leaves, rows, stale } = verified;
  await out.result(
    {
      group,
      shard,
      generation: generation === null ? null : Number(generation),
      root,
      leaves,
      rows,
      stale,
      problems,
    },
    readableShard(group, shard, verified, problems),
  );
}

function readableShard(group: string, shard: number, verified: VerifiedShard, problems: number): string {
  const { root, leaves, rows, stale } = verified;
  const tree =
    root === null ? 'no tree' : `tree of ${leaves} leaves, root ${toHex(root).slice(0, 16) || 'empty'}`;
  const index = rows === null ? 'no property index' : `property index of ${rows}`;
  const moved = stale ? '; the index has moved on since the tree' : '';
  return `${group} shard ${shard}: ${tree}; ${index}${moved}; ${problems === 0 ? 'good' : `${problems} problems`}`;
}

async function verifyFile({ out, signal }: CommandContext, findings: Findings, file: string): Promise<void> {
  const before = findings.problemCount;
  try {
    await using view = await openTree(file);
    const { group, root, leaves, generation, shards } = view.description;
    // A BanyanDB file does not say which shard it is of; its path may.
    const shard = shards === null ? shardOfPath(file) : view.description.shard;
    const onDamage = (damage: Damage) => note(findings, { group, shard }, damage);
    const onProgress = (done: number) => out.progress(() => `verifying ${file}: ${done} of ${leaves} leaves`);
    await verifyView(view, { file, onDamage, onProgress, signal });
    findings.shards += 1;
    findings.leaves += leaves;
    const problems = findings.problemCount - before;
    await out.result(
      {
        group,
        shard,
        generation: generation === null ? null : Number(generation),
        root,
        leaves,
        rows: null,
        stale: null,
        problems,
      },
      `${group} shard ${shard ?? '?'}: tree of ${leaves} leaves, root ${toHex(root).slice(0, 16) || 'empty'}; ${problems === 0 ? 'good' : `${problems} problems`}`,
    );
  } catch (error) {
    note(findings, { group: null, shard: null }, damageOf(error, file));
  }
}

async function openTree(path: string): Promise<ShardView> {
  if (await beginsAsTree(path)) return openTreeFile(path);
  return openBanyandbTree(path, { shard: shardOfPath(path) ?? 0 });
}

async function beginsAsTree(path: string): Promise<boolean> {
  await using file = await FileReader.open(path);
  return file.size >= headMagic.length && (await file.read(0, headMagic.length)).equals(headMagic);
}

function note(findings: Findings, about: Pick<Problem, 'group' | 'shard'>, damage: Damage): void {
  findings.problemCount += 1;
  if (findings.problems.length < problemsListedMax)
    findings.problems.push({ place: findings.place, ...about, ...damage });
}

async function tellFindings({ out }: CommandContext, findings: Findings): Promise<ExitCode> {
  const { problems, problemCount, shards, leaves, stale, withoutTree } = findings;
  const outcome = problemCount === 0 ? 'good' : 'damaged';
  if (!out.json) for (const problem of problems) await out.result({}, readableProblem(problem));
  const listed = problemCount > problems.length ? `, the first ${problems.length} listed` : '';
  const without = withoutTree === 0 ? '' : `, ${withoutTree} without a tree`;
  await out.summary(
    { outcome, stale, shards, leaves, withoutTree, problemCount, problems },
    `${outcome}: ${shards} shards${without}, ${leaves} leaves, ${problemCount} problems${listed}`,
  );
  return problemCount === 0 ? exitCodes.done : exitCodes.differs;
}

function readableProblem({ file, offset, entity, message }: Problem): string {
  return `  ${file}${offset === null ? '' : ` at byte ${offset}`}${entity === null ? '' : ` ${entity}`}: ${message}`;
}

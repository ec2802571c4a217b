/** `audit`: do the replicas agree, and if not, on what exactly? Reads only; who cannot be reached is named. */
import { CodedError } from '../lib/coded-error.ts';
import { toHex } from '../lib/bytes.ts';
import type { ShardCopies } from '../repair/plan-shard.ts';
import { listedEqual } from '../round/listed-equal.ts';
import { absentHolders, type AskedMember, matchMembers, readableAbsent } from '../round/match-members.ts';
import type { LostMember, Member } from '../round/member.ts';
import { askMembers } from '../round/run-round.ts';
import type { ViewDescription } from '../shard-copy/shard-copy.ts';
import { addRun, type AddVerb, type CommandContext, type ExitCode } from './command.ts';
import { compareValues } from './audit-values.ts';
import { addDiffOptions, compareShard, DiffTotals, type DiffOptions } from './diff-totals.ts';
import { addMemberOptions, type MemberOptions, withMembers } from './member-options.ts';

interface AuditOptions extends MemberOptions, DiffOptions {
  readonly values?: boolean;
}

/** One member's part in a shard. */
interface AuditedPeer {
  readonly place: string;
  readonly name: string | null;
  /** Null where it never answered, so that nobody knows. */
  readonly kind: Member['kind'] | null;
  readonly root: Buffer | null;
  readonly leaves: number | null;
  /** Whether its index has moved on since the tree; null where nobody tells. */
  readonly stale: boolean | null;
  readonly error: string | null;
}

export const addAudit: AddVerb = (program, environment, onExit) => {
  const command = program
    .command('audit')
    .description('Compares all named replicas, shard by shard, and changes nothing anywhere.')
    .argument('[places...]', 'HOST:PORT, data roots, tree files or folders of BanyanDB tree files')
    .option('--values', 'read what differs: who would win, and what the own repair of BanyanDB would do')
    .addHelpText('after', '\nExample: tallystick audit --nodes nodes.yaml');
  addRun<AuditOptions>(
    addDiffOptions(addMemberOptions(command)),
    environment,
    onExit,
    (context, names, options) =>
      withMembers(context, names, options, (members) => auditMembers(context, members, options)),
  );
};

async function auditMembers(
  context: CommandContext,
  members: readonly Member[],
  options: AuditOptions,
): Promise<ExitCode> {
  if (members.length < 2) {
    throw new CodedError('bad-argument', 'an audit takes at least two places', {
      field: 'places',
      value: members.length,
    });
  }
  const lost: LostMember[] = [];
  const onStep = (text: string): void => context.out.progress(() => text);
  const asked = await askMembers(members, lost, { signal: context.signal, onStep, narrowing: options });
  const totals = new DiffTotals();
  for (const { member, error } of lost) totals.inconclusive(`${member.place}: ${error.message}`);
  const targets = asked.length === 0 ? [] : matchMembers(asked, options);
  for (const target of targets) await auditShard(context, target, { asked, lost, totals, options });
  const ofNodes = asked.some(({ member }) => member.kind === 'banyandb');
  if (ofNodes && options.values !== true && totals.differing > 0) {
    context.out.talk(
      'the trees of BanyanDB nodes are as of their last build; --values reads what differs as it is now',
    );
  }
  if (targets.length === 0)
    for (const { member, error } of lost) context.out.talk(`${member.place}: ${error.message}`);
  return totals.tell(context);
}

interface Audit {
  readonly asked: readonly AskedMember[];
  readonly lost: readonly LostMember[];
  readonly totals: DiffTotals;
  readonly options: AuditOptions;
}

async function auditShard(context: CommandContext, target: ShardCopies, audit: Audit): Promise<void> {
  const { asked, lost, totals, options } = audit;
  const peers: AuditedPeer[] = [];
  const readable: ShardCopies['copies'][number][] = [];
  for (const copy of target.copies) {
    const one = asked.find(({ member }) => member.place === copy.place);
    if (one === undefined) continue;
    try {
      const tree = await describe(one, target);
      peers.push(peerOf(one.member, tree, null));
      readable.push(copy);
    } catch (error) {
      const coded = CodedError.from(error);
      if (coded.code === 'cancelled') throw coded;
      peers.push(peerOf(one.member, null, coded));
      totals.inconclusive(`${copy.place}: ${coded.message}`);
    }
  }
  for (const { member, error } of lost) peers.push(peerOf(member, null, error));
  for (const holder of absentHolders([target], asked, lost)) {
    const { name } = holder;
    const error = readableAbsent(holder);
    peers.push({ ...{ place: name, name, kind: 'banyandb' }, ...untold, error });
    totals.inconclusive(`${name} ${error}`);
  }
  const { group, shard } = target;
  await context.out.result({ group, shard, peers }, readableShard(group, shard, peers));
  const compared = { group, shard, copies: readable };
  const equal = listedEqual(compared, asked);
  if (equal !== null) totals.matched(equal.stale);
  else if (readable.length > 1 && options.values !== true)
    await compareShard(context, compared, options, totals);
  else if (readable.length > 1) {
    const found = asked.map(({ member }) => member).filter(({ kind }) => kind === 'banyandb');
    const nodes = new Map(found.map(({ place, name }) => [place, name ?? place]));
    await compareValues(context, compared, { nodes, options, totals });
  }
}

async function describe(
  { offer, member }: AskedMember,
  { group, shard }: ShardCopies,
): Promise<ViewDescription> {
  const listed = offer.tree(group, shard);
  if (listed !== null) return listed;
  await using view = await member.copy(group, shard).openView();
  return view.description;
}

function peerOf(
  { place, name, kind }: Member,
  tree: ViewDescription | null,
  error: CodedError | null,
): AuditedPeer {
  return {
    place,
    name,
    // Whoever listens at an address is taken for a Tallystick until it says what it is.
    kind: kind === 'tallystick' && name === null ? null : kind,
    ...(tree === null ? untold : { root: tree.root, leaves: tree.leaves, stale: staleOf(kind, tree) }),
    error: error?.message ?? null,
  };
}

const untold = { root: null, leaves: null, stale: null };

// Neither a BanyanDB node nor a file tells what was written since.
function staleOf(kind: Member['kind'], { stale }: ViewDescription): boolean | null {
  return kind === 'tallystick' || kind === 'root' ? stale : null;
}

function readableShard(group: string, shard: number, peers: readonly AuditedPeer[]): string {
  const lines = peers.map(({ place, name, root, leaves, stale, error }) => {
    const who = name === null ? place : `${place} (${name})`;
    return error === null
      ? `  ${who}: ${leaves} leaves, root ${toHex(root ?? Buffer.alloc(0)).slice(0, 16) || 'empty'}${stale === true ? ', written to since' : ''}`
      : `  ${who}: ${error}`;
  });
  return [`${group} shard ${shard}`, ...lines].join('\n');
}

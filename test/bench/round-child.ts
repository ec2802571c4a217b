/**
 * The coordinator of a benchmark in a process of its own: a round between a data root of this process and a
 * `serve` process. Told what to do as JSON; answers with what it cost.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { systemClock } from '../../src/lib/clock.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { Checkpointer } from '../../src/property-index/checkpointer.ts';
import { combineReports } from '../../src/repair/report.ts';
import { matchMembers } from '../../src/round/match-members.ts';
import type { Member } from '../../src/round/member.ts';
import { PeerMember } from '../../src/round/peer-member.ts';
import { RootMember } from '../../src/round/root-member.ts';
import type { RoundReport } from '../../src/round/round-report.ts';
import { askMembers, runRound } from '../../src/round/run-round.ts';
import { ApplyThread } from '../../src/shard-copy/apply-thread.ts';
import { keepHeapSmall } from '../../src/lib/small-heap.ts';
import { TreeBuilder } from '../../src/tree/tree-builder.ts';
import { serviceEnvironment } from './bench-case.ts';
import { MessageCounter, SocketCounter, type WireCounts } from './counted-peer.ts';

export interface RoundOrder {
  readonly root: string;
  readonly place: string;
  /** Ask what the peer has and compare it with the local tree, as an audit does, and nothing else. */
  readonly onlyAsk?: boolean;
}

export interface RoundCost extends WireCounts {
  readonly ms: number;
  readonly outcome: string;
  readonly reason: string | null;
  readonly changed: number;
  /** Bytes of the values that were sent. */
  readonly valueBytes: number;
  readonly peakMemoryMib: number;
  /** When each phase began, in milliseconds from the start. */
  readonly phases: Readonly<Record<string, number>>;
}

/** Runs a round in a process of its own. */
export async function roundInChild(order: RoundOrder): Promise<RoundCost> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    // The program's heap does not grow while it is loaded either.
    ['--semi-space-growth-factor=1', fileURLToPath(import.meta.url), JSON.stringify(order)],
    { env: { ...process.env, ...serviceEnvironment } },
  );
  return JSON.parse(stdout) as RoundCost;
}

async function coordinate({ root, place, onlyAsk = false }: RoundOrder): Promise<RoundCost> {
  using sockets = new SocketCounter();
  // Sizes are told where there are few messages: knowing them costs an encoding each.
  const messages = new MessageCounter(onlyAsk);
  const clock = systemClock;
  await using builder = new TreeBuilder(clock);
  await using checkpointer = new Checkpointer((_path, error) => {
    throw error;
  });
  await using applyThread = new ApplyThread(checkpointer, clock);
  const client = new PeerClient({ place, clock });
  messages.watch(client);
  using peer = new PeerMember(client);
  const start = performance.now();
  const phases: Record<string, number> = {};
  const began = (phase: string): void => {
    phases[phase] ??= Math.round(performance.now() - start);
  };
  const members = [new RootMember({ root, clock, builder, applyThread }), peer];
  const report = onlyAsk
    ? await ask(members)
    : await runRound(members, {
        clock,
        onStep: (text) => began(text.split(' ', 1)[0] ?? ''),
        onProgress: ({ phase }) => began(phase),
      });
  const { calls, messages: count, protobufBytes } = messages;
  return {
    ms: performance.now() - start,
    outcome: report.outcome,
    reason: report.reason,
    changed: report.repair.changed,
    valueBytes: report.repair.bytes,
    wireBytes: sockets.bytes,
    calls,
    messages: count,
    protobufBytes,
    peakMemoryMib: process.resourceUsage().maxRSS / 1024,
    phases,
  };
}

/** Whether the peer's listed roots are those of the newest local trees. */
async function ask(members: readonly Member[]): Promise<Pick<RoundReport, 'outcome' | 'reason' | 'repair'>> {
  const asked = await askMembers(members, [], {});
  const repair = combineReports([]);
  for (const target of matchMembers(asked, {})) {
    const roots = new Set<string>();
    for (const { place, copy } of target.copies.map((copy) => ({ place: copy.place, copy }))) {
      const listed = asked
        .find(({ member }) => member.place === place)
        ?.offer.tree(target.group, target.shard);
      await using view = listed ? null : await copy.openView();
      roots.add((listed ?? view?.description)?.root.toString('hex') ?? '');
    }
    if (roots.size !== 1) return { outcome: 'differs', reason: `${target.group}/${target.shard}`, repair };
  }
  return { outcome: 'converged', reason: null, repair };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // As the program itself does when it starts.
  keepHeapSmall()();
  const cost = await coordinate(JSON.parse(process.argv[2] ?? '') as RoundOrder);
  process.stdout.write(JSON.stringify(cost));
}

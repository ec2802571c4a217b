/**
 * `demo --cluster`: the tour over the wire. The three drifted replicas are served by processes of their own;
 * one is killed in the middle of a round, and what happens then is shown as it happens.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CodedError } from '../lib/coded-error.ts';
import { PeerClient } from '../peer/peer-client.ts';
import { PeerMember } from '../round/peer-member.ts';
import type { RoundReport } from '../round/round-report.ts';
import { runRound } from '../round/run-round.ts';
import type { CommandContext } from './command.ts';
import { demoEntities, replicaNames } from './demo-data.ts';
import { checkEntities, ensure, rootsTable, sameRoots } from './demo-checks.ts';
import type { DemoReplicas } from './demo-replicas.ts';

/** Until a replica says that it is ready; its trees are built before. */
const readyTimeoutMs = 60_000;

/** Changes at the victim after which it is killed: in the middle of what it lacks. */
const changesBeforeKill = 150;

/** Serves the replicas, kills one during a round, restarts it, and runs rounds until all agree. */
export async function tourCluster(context: CommandContext, replicas: DemoReplicas): Promise<void> {
  const { out } = context;
  const entities = demoEntities();
  const written = await replicas.fill(entities);
  await replicas.emptyShard();
  await out.result(
    { step: 'written', entities: entities.length, versions: written },
    `1. ${entities.length} MIME types written to three replicas, which drifted apart as in the plain tour.`,
  );
  await using cluster = new DemoCluster(context, replicas);
  await cluster.start();
  const places = cluster.places();
  await out.result(
    { step: 'serving', places },
    `2. Three processes serve them: ${places.map((place, replica) => `${replicaNames[replica]} at ${place}`).join(', ')}.`,
  );

  const cut = await cluster.round(2);
  ensure(cut.outcome === 'inconclusive', `a round that lost a replica is inconclusive, not ${cut.outcome}`);
  await tellRound(context, '3. A round; replica-3 is killed (SIGKILL) in the middle of it', cut);

  await cluster.restart(2);
  const repaired = await cluster.round();
  ensure(repaired.outcome === 'converged', `with all three back a round converges: ${repaired.reason}`);
  await tellRound(context, '4. replica-3 is started again, and so is the round', repaired);

  const again = await cluster.round();
  ensure(again.outcome === 'converged' && again.repair.shipped === 0, 'one more round ships nothing');
  await tellRound(context, '5. Once more, to see that nothing is left', again);
  await cluster.stop();

  const shards = await replicas.build();
  ensure(shards.every(sameRoots), 'all roots are equal');
  const deletes = checkEntities(replicas, entities);
  await out.summary(
    { outcome: 'equal', entities: entities.length, deletes, roots: shards.map(({ roots }) => roots[0]) },
    `\n${rootsTable(shards)}\n\nThe kill cost nothing: the replicas are equal to the byte, and all ${deletes} deletes still hold.`,
  );
}

async function tellRound({ out }: CommandContext, title: string, report: RoundReport): Promise<void> {
  const { outcome, reason, repair, copies } = report;
  const lines = copies.map(({ changed, outcome: how, reason: why }, replica) => {
    return `   ${replicaNames[replica]}: ${how}, ${changed} changed${why === null ? '' : ` (${why})`}`;
  });
  const { differing, changed, shipped } = repair;
  await out.result(
    { step: 'round', outcome, reason, differing, changed, shipped, copies },
    [`${title}:`, `   ${outcome}; ${differing} differing, ${shipped} values sent`, ...lines].join('\n'),
  );
}

/** One replica's process. */
interface Served {
  readonly process: ChildProcess;
  readonly place: string;
}

class DemoCluster implements AsyncDisposable {
  readonly #context: CommandContext;
  readonly #replicas: DemoReplicas;
  readonly #served: Served[] = [];

  constructor(context: CommandContext, replicas: DemoReplicas) {
    this.#context = context;
    this.#replicas = replicas;
  }

  places(): string[] {
    return this.#served.map(({ place }) => place);
  }

  /** Starts a process per replica. */
  async start(): Promise<void> {
    for (const replica of this.#replicas.roots.keys())
      this.#served[replica] = await this.#serve(replica, '127.0.0.1:0');
  }

  /** Starts a killed replica again where it was. */
  async restart(replica: number): Promise<void> {
    this.#served[replica] = await this.#serve(replica, this.#served[replica]?.place ?? '127.0.0.1:0');
  }

  async #serve(replica: number, listen: string): Promise<Served> {
    const root = this.#replicas.roots[replica] ?? '';
    const name = replicaNames[replica] ?? '';
    const { programPath } = this.#context;
    const child = spawn(
      process.execPath,
      [programPath, 'serve', '--root', root, '--name', name, '--listen', listen],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { TALLYSTICK_LOG_LEVEL: 'silent' },
      },
    );
    const signal = AbortSignal.any([this.#context.signal, AbortSignal.timeout(readyTimeoutMs)]);
    const lines = createInterface({ input: child.stdout });
    const [line] = (await Promise.race([
      once(lines, 'line', { signal }),
      once(child, 'exit', { signal }).then(() => [`${name} ended before it was ready`]),
    ])) as [string];
    return { process: child, place: placeOf(line) };
  }

  /** A round over all three; `victim` is killed once it has got some of what it lacks. */
  async round(victim?: number): Promise<RoundReport> {
    const { out, clock, signal } = this.#context;
    using opened = new DisposableStack();
    const members = this.places().map((place) =>
      opened.use(new PeerMember(new PeerClient({ place, clock }))),
    );
    let changes = 0;
    return await runRound(members, {
      clock,
      signal,
      onProgress: ({ phase, shard, entitiesDone, entitiesTotal }) =>
        out.progress(() => `${phase} shard ${shard}: ${entitiesDone} of ${entitiesTotal}`),
      onChange: ({ place, result }) => {
        if (victim === undefined || place !== members[victim]?.place || result !== 'changed') return;
        changes += 1;
        if (changes === changesBeforeKill) this.#served[victim]?.process.kill('SIGKILL');
      },
    });
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#served.map(async ({ process: child }) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGTERM');
        await once(child, 'exit');
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function placeOf(line: string): string {
  try {
    return (JSON.parse(line) as { ready: { listen: string } }).ready.listen;
  } catch (cause) {
    throw new CodedError('internal', `a replica did not start: ${line}`, {}, { cause });
  }
}

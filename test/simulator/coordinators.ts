/** Starts, cancels and ends the runs of a simulated cluster, and holds each to what it reports. */
import fs from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../../src/lib/coded-error.ts';
import type { RoundReport } from '../../src/round/round-report.ts';
import { type RoundOptions, runRound } from '../../src/round/run-round.ts';
import type { Member } from '../../src/round/member.ts';
import type { Cluster } from './cluster.ts';
import { keyedRandom } from './keyed-random.ts';
import { Violation } from './invariants.ts';
import type { Replica } from './replica.ts';
import { NotedMember } from './noted-member.ts';
import { Run, RunClock } from './run.ts';
import { SimulatedMember } from './simulated-member.ts';
import { nodeMember, peerMember } from './wire.ts';

/** How long a cancelled run may take to end, in virtual milliseconds. */
const cancelledWithinMs = 1_000;

/** Longest a run may take: every call of it ends within its timeout, and it makes a bounded number of them. */
const runMsMax = 24 * 3_600_000;

export class Coordinators {
  readonly #cluster: Cluster;
  readonly running = new Set<Run>();
  #count = 0;
  /** A coordinator died, and no other has begun since. */
  #died = false;
  /** The first broken promise; runs are nobody's to await. */
  violation: Error | null = null;
  readonly #plans: string[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Begins a round over `replicas` and gives its run and its report, null where it ended by an error. */
  start(
    replicas: readonly Replica[],
    host: string,
    options: Partial<RoundOptions> = {},
  ): { run: Run; report: Promise<RoundReport | null> } {
    const run = new Run(`run${this.#count++}`, host, this.#cluster.time.nowMs);
    const { happenings } = this.#cluster.network;
    if (this.running.size > 0) happenings.count('two coordinators at once');
    if (this.#died) happenings.count('coordinator takes over from a dead one');
    this.#died = false;
    this.running.add(run);
    return { run, report: this.#complete(run, replicas, options) };
  }

  async #complete(
    run: Run,
    replicas: readonly Replica[],
    options: Partial<RoundOptions>,
  ): Promise<RoundReport | null> {
    const { time, network, invariants, scratch } = this.#cluster;
    if (replicas.some(({ kind }) => kind === 'banyandb')) network.happenings.count('run over BanyanDB nodes');
    if (this.#cluster.wired) network.happenings.count('run over the wire of production');
    const members = replicas.map((replica) => this.#member(run, replica));
    try {
      const report = await runRound(members, {
        clock: new RunClock(time, run),
        signal: run.signal,
        spoolDirectory: scratch,
        ...options,
      });
      network.happenings.count(
        report.outcome === 'converged' ? 'run converges' : 'run ends without converging',
      );
      if (report.repair.outcome === 'matched') network.happenings.count('run ends matched');
      time.note(`${run.id} ${report.outcome} ${report.repair.outcome} ${report.repair.changed}`);
      if (options.dryRun !== true && options.planPath === undefined)
        invariants.checkReport(run, report, replicas);
      return report;
    } catch (error) {
      if (error instanceof Violation || !(error instanceof CodedError) || error.code === 'internal') {
        this.violation ??= error as Error;
      } else time.note(`${run.id} ${error.code}`);
      return null;
    } finally {
      run.ended = true;
      this.running.delete(run);
      // Whatever a replica still holds for it, its connection is closed.
      await run.die();
    }
  }

  #member(run: Run, replica: Replica): Member {
    const { network, wired, nodeManner } = this.#cluster;
    let member: Member;
    if (replica.kind === 'banyandb') member = nodeMember(network, run, replica, nodeManner);
    // Who coordinates has its own copy at hand.
    else if (wired && run.host !== replica.name) member = peerMember(network, run, replica);
    else member = new SimulatedMember(network, run, replica);
    const chunk = 1 + keyedRandom(network.seed, `chunk ${replica.name}`).below(6);
    return new NotedMember(member, {
      run,
      replica,
      chunk,
      onViolation: (violation) => network.broke(violation),
    });
  }

  /** A dry run whose plan is kept, carried out whenever it comes up again. */
  startDryRun(replicas: readonly Replica[], host: string): void {
    const planPath = join(this.#cluster.scratch, `plan-${this.#count}`);
    const { report } = this.start(replicas, host, { dryRun: true, planPath });
    void report.then((done) => {
      if (done === null || !fs.existsSync(planPath)) return;
      this.#cluster.network.happenings.count('plan kept');
      this.#plans.push(planPath);
    });
  }

  /** Carries out the oldest kept plan. */
  carryOutPlan(replicas: readonly Replica[], host: string): void {
    const planPath = this.#plans.shift();
    if (planPath === undefined) return;
    this.#cluster.network.happenings.count('kept plan carried out');
    this.start(replicas, host, { planPath });
  }

  cancel(run: Run): void {
    this.#cluster.network.happenings.count('operator cancels');
    run.cancel(new CodedError('cancelled', 'an operator cancelled the run'));
    const cancelledMs = this.#cluster.time.nowMs;
    void this.#cluster.time.wait(cancelledWithinMs, `${run.id} is to have ended`).then(() => {
      if (run.ended || run.dead) return;
      this.violation ??= new Violation(
        `${run.id} goes on a second after it was cancelled at ${cancelledMs} ms`,
      );
    });
  }

  /** Ends all coordinators on a machine that died. */
  async dieAt(host: string): Promise<void> {
    for (const run of [...this.running]) {
      if (run.host === host) await this.kill(run);
    }
  }

  async kill(run: Run): Promise<void> {
    this.running.delete(run);
    this.#died = true;
    this.#cluster.network.happenings.count('coordinator dies');
    await run.die();
  }

  /** Runs that take longer than any may. */
  checkTimes(): void {
    for (const run of this.running) {
      if (this.#cluster.time.nowMs - run.startedMs > runMsMax) throw new Violation(`${run.id} does not end`);
    }
  }
}

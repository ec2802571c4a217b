/** What happens in the service: one function per event, which writes the log line and the metric together. */
import type { RequestEvent } from '../admin/operations.ts';
import type { RunResource } from '../admin/resources.ts';
import type { CodedError, ErrorCode } from '../lib/coded-error.ts';
import type { Log } from '../lib/log.ts';
import { parseTraceparent, type Tracer } from '../lib/trace.ts';
import type { ServedCallEvent } from '../peer/served-call.ts';
import type { DropReason } from '../property-store/outbox.ts';
import type { StoreCall, StoreEvents } from '../property-store/property-store.ts';
import type { Metrics } from './metrics.ts';
import type { WatchedPeer } from './peer-watch.ts';

/** What a warning is about. */
export type ProblemOf =
  | 'checkpoint'
  | 'tree'
  | 'history'
  | 'nodes'
  | 'dns'
  | 'tls'
  | 'schedule'
  | 'disk'
  | 'clock'
  | 'shard'
  | 'trace'
  | 'drain';

/** A clock that is behind by less is as good as they are; networks that set clocks are no better. */
const clockBehindWarnNs = 1_000_000_000n;

export class Events implements StoreEvents {
  #log: Log;
  #clockIsBehind = false;
  readonly metrics: Metrics;
  /** Where calls of traced runs are told; null where nothing is traced. */
  tracer: Tracer | null = null;

  constructor(log: Log, metrics: Metrics) {
    this.#log = log;
    this.metrics = metrics;
  }

  /** Puts another log in force, as when its level is reloaded. */
  useLog(log: Log): void {
    this.#log = log;
  }

  serving(fields: {
    readonly listen: string | null;
    readonly admin: string | null;
    readonly property: string | null;
    readonly root: string;
  }): void {
    this.metrics.ready.set(1);
    this.#log.info(fields, 'serving');
  }

  draining(reason: string): void {
    this.metrics.ready.set(0);
    this.#log.info({ reason }, 'draining');
  }

  stopped(tookMs: number): void {
    this.#log.info({ tookMs: Math.round(tookMs) }, 'stopped');
  }

  listensInsecurely(listen: string): void {
    this.#log.warn({ listen }, 'peers are listened for without TLS: whoever reaches it may read and write');
  }

  interrupted(count: number): void {
    if (count > 0)
      this.#log.warn(
        { runs: count },
        'the process before this one ended in the middle of runs; they are made up for',
      );
  }

  problem(of: ProblemOf, error: CodedError, message: string): void {
    this.metrics.problems.inc({ of });
    this.#log.warn({ of, error: error.toJSON() }, message);
  }

  polled(tookMs: number): void {
    this.metrics.polls.inc();
    this.metrics.pollSeconds.observe(tookMs / 1_000);
  }

  skipped(kind: string, group: string, shard: number, reason: string): void {
    this.metrics.skips.inc({ kind, reason });
    this.#log.debug({ kind, group, shard, reason }, 'skipped');
  }

  runStarted({ id, kind, trigger, group, shard, dryRun }: RunResource): void {
    this.#log.debug({ run: id, kind, trigger, group, shard, dryRun }, 'a run has begun');
  }

  runPaused({ id, kind, group, shard }: RunResource): void {
    this.#log.info({ run: id, kind, group, shard }, 'a run was paused');
  }

  runEnded(run: RunResource, tookMs: number): void {
    const { id, kind, trigger, group, shard, outcome, reason, error, counts } = run;
    const { metrics } = this;
    metrics.runs.inc({ kind, trigger, outcome: outcome ?? 'failed' });
    metrics.runSeconds.observe({ kind }, tookMs / 1_000);
    metrics.differing.inc(counts.differing);
    metrics.shipped.inc(counts.shipped);
    metrics.shippedBytes.inc(counts.bytes);
    for (const result of ['changed', 'kept', 'failed'] as const)
      metrics.changes.inc({ result }, counts[result]);
    if (error !== null) metrics.failures.inc({ code: error.code });
    if (error?.code === 'fuse') metrics.fuses.inc();
    const { differing, changed, failed } = counts;
    const line = {
      run: id,
      kind,
      trigger,
      group,
      shard,
      outcome,
      reason,
      differing,
      changed,
      failed,
      tookMs: Math.round(tookMs),
    };
    if (outcome === 'failed') this.#log.error({ ...line, error }, 'a run failed');
    else if (outcome === 'inconclusive' || outcome === 'differs') this.#log.warn(line, 'a run has ended');
    // What changed nothing is not worth a line a minute for every shard.
    else if (outcome === 'skipped' || (outcome === 'converged' && differing === 0))
      this.#log.debug(line, 'a run has ended');
    else this.#log.info(line, 'a run has ended');
  }

  built(leaves: number): void {
    this.metrics.buildLeaves.inc(leaves);
  }

  peerAsked(
    { place, name, reachable, latencyMs, error }: WatchedPeer,
    before: WatchedPeer | undefined,
  ): void {
    this.metrics.peerReachable.set({ place }, reachable === true ? 1 : 0);
    if (latencyMs !== null) this.metrics.peerSeconds.set({ place }, latencyMs / 1_000);
    if (before?.reachable === reachable) return;
    if (reachable === true) this.#log.info({ peer: name, place }, 'a peer is there');
    else this.#log.warn({ peer: name, place, error: error?.toJSON() }, 'a peer cannot be reached');
  }

  /** Tells of a lookup of peers where it ended otherwise than the one before. */
  lookedUp(error: CodedError | null, before: CodedError | null): void {
    if (error !== null) this.metrics.problems.inc({ of: 'dns' });
    if (error?.code === before?.code) return;
    if (error === null) this.#log.info({ of: 'dns' }, 'peers are found in DNS again');
    else
      this.#log.warn(
        { of: 'dns', error: error.toJSON() },
        'peers could not be looked up in DNS; those that were known stay',
      );
  }

  /** A place that is not listed any more has no series, which would be alerted on for ever. */
  peerGone(place: string): void {
    this.metrics.peerReachable.remove({ place });
    this.metrics.peerSeconds.remove({ place });
    this.#log.info({ place }, 'a peer is no longer listed');
  }

  served({ call, peer, runId, traceparent, error, durationMs }: ServedCallEvent): void {
    if (parseTraceparent(traceparent) !== null) {
      this.tracer?.record(call, {
        ...{ parent: traceparent ?? '', kind: 'server', durationMs, error },
        attributes: { 'rpc.method': call, ...(runId !== null && { 'tallystick.run': runId }) },
      });
    }
    this.metrics.served.inc({ call, code: error?.code ?? 'ok' });
    this.metrics.servedSeconds.observe({ call }, durationMs / 1_000);
    this.#log.debug({ call, peer, run: runId, error, tookMs: Math.round(durationMs) }, 'a peer call ended');
  }

  requested({ method, route, status, tookMs, caller, order }: RequestEvent): void {
    this.metrics.requests.inc({ method, route, status: String(status) });
    this.metrics.requestSeconds.observe({ route }, tookMs / 1_000);
    const line = { method, route, status, caller, tookMs: Math.round(tookMs) };
    // Orders are told, looks are not.
    if (order || status >= 500) this.#log.info(line, 'an order was given');
    else this.#log.debug(line, 'a request ended');
  }

  called(call: StoreCall, code: ErrorCode | 'ok', tookMs: number): void {
    this.metrics.propertyCalls.inc({ call, code });
    this.metrics.propertySeconds.observe({ call }, tookMs / 1_000);
    this.#log.debug({ call, code, tookMs: Math.round(tookMs) }, 'a call of an application ended');
  }

  sent(place: string, versions: number): void {
    this.metrics.propertiesSent.inc({ place }, versions);
    this.#log.debug({ place, versions }, 'writes were sent on');
  }

  dropped(place: string, versions: number, reason: DropReason, error: CodedError | null): void {
    this.metrics.propertiesNotSent.inc({ place, reason }, versions);
    const line = { place, versions, reason, error: error?.toJSON() };
    const message = 'writes were not sent on; the next round brings them';
    // One line for each failure, not for each write after it.
    if (error === null) this.#log.debug(line, message);
    else this.#log.warn(line, message);
  }

  clockBehind(behindNs: bigint): void {
    this.metrics.clockBehind.set(Number(behindNs) / 1e9);
    const behind = behindNs >= clockBehindWarnNs;
    // Told when it begins, not with every write.
    if (behind && !this.#clockIsBehind) {
      const seconds = Number(behindNs / 1_000_000n) / 1_000;
      this.metrics.problems.inc({ of: 'clock' });
      this.#log.warn(
        { of: 'clock', seconds },
        'the clock is behind revisions that were seen; writes are stamped above them',
      );
    }
    this.#clockIsBehind = behind;
  }

  paused(paused: boolean): void {
    this.metrics.paused.set(Number(paused));
    this.#log.info({}, paused ? 'the schedule was paused' : 'the schedule goes on');
  }

  reloaded(changed: { readonly reloaded: readonly string[]; readonly needRestart: readonly string[] }): void {
    this.metrics.reloads.inc({ outcome: 'done' });
    this.#log.info({ options: changed.reloaded }, 'settings were read again');
    if (changed.needRestart.length > 0)
      this.#log.warn({ options: changed.needRestart }, 'these settings changed and take a restart');
  }

  reloadFailed(error: CodedError): void {
    this.metrics.reloads.inc({ outcome: 'failed' });
    this.#log.error({ error: error.toJSON() }, 'changed settings are wrong; the old ones stay in force');
  }
}

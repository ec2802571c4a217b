/** Follows the schedule and asks the peers now and then, until the service stops. */
import { CodedError } from '../lib/coded-error.ts';
import type { Events } from './events.ts';
import type { PeerWatch } from './peer-watch.ts';
import type { Runs } from './runs.ts';
import type { ScheduleLoop } from './schedule-loop.ts';
import type { ServiceOperations } from './service-operations.ts';

export interface FollowOptions {
  readonly loop: ScheduleLoop;
  readonly runs: Runs;
  readonly peers: PeerWatch;
  readonly operations: ServiceOperations;
  readonly events: Events;
  readonly signal: AbortSignal;
  /** Between two askings of the peers. */
  readonly intervalMs: () => number;
}

export async function followSchedule(options: FollowOptions): Promise<void> {
  // What the peers have is known before the first round is decided.
  await lookAtPeers(options);
  await Promise.all([options.loop.run(options.runs, options.signal), watchPeers(options)]);
}

async function watchPeers(options: FollowOptions): Promise<void> {
  const { peers, signal, intervalMs } = options;
  while (!signal.aborted) {
    await peers.rest(intervalMs(), signal);
    await lookAtPeers(options);
  }
}

async function lookAtPeers({ peers, events, operations, signal }: FollowOptions): Promise<void> {
  try {
    await peers.look(signal, {
      onAsked: (peer, before) => events.peerAsked(peer, before),
      onGone: (place) => events.peerGone(place),
    });
    // Since when replicas agree is known from looking, not from being asked.
    await operations.shards();
  } catch (error) {
    if (signal.aborted) return;
    events.problem('nodes', CodedError.from(error), 'asking the peers failed; the next time tries again');
  }
}

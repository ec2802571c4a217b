/**
 * Every metric there is, with its unit and labels. Labels are bounded: group and shard by the shards that are
 * shown, place by those that list the peers, outcome and reason by their lists. Who writes them is events.ts and gauges.ts.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds: from one write to an hour. */
const secondsBuckets = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1_800, 3_600];

const perShard = ['group', 'shard'] as const;

export class Metrics {
  readonly registry = new Registry();
  readonly #registers = [this.registry];

  readonly info = this.#gauge('info', 'Always 1; the labels tell version and name.', ['version', 'name']);
  readonly ready = this.#gauge('ready', 'Whether it may receive work: 1 or 0.');
  readonly paused = this.#gauge('schedule_paused', 'Whether an operator has paused the schedule: 1 or 0.');
  readonly windowOpen = this.#gauge(
    'schedule_window_open',
    'Whether a window is open in which nothing is started: 1 or 0.',
  );
  readonly lateShards = this.#gauge(
    'schedule_late_shards',
    'Shards that by the forecast will be visited after their deadline.',
  );
  readonly skips = this.#counter('schedule_skips_total', 'Firings that passed without a build or a visit.', [
    'kind',
    'reason',
  ]);
  readonly polls = this.#counter(
    'watermark_polls_total',
    'Times that all indexes were asked whether they were written to.',
  );
  readonly pollSeconds = this.#histogram('watermark_poll_seconds', 'How long that took.');

  readonly shards = this.#gauge('shards', 'Shards held here.');
  readonly shardErrors = this.#gauge('shard_errors', 'Shards held here that cannot be read.');
  readonly hiddenShards = this.#gauge(
    'shards_without_series',
    'Shards beyond those that have metrics of their own.',
  );
  readonly shardProperties = this.#gauge(
    'shard_properties',
    'Properties in the index, tombstones included.',
    perShard,
  );
  readonly shardLive = this.#gauge(
    'shard_live_properties',
    'Properties in the index that are not deleted.',
    perShard,
  );
  readonly shardWrites = this.#gauge(
    'shard_write_sequence',
    'Committed writes of the index so far.',
    perShard,
  );
  readonly treeLeaves = this.#gauge('tree_leaves', 'Leaves of the newest tree.', perShard);
  readonly treeGeneration = this.#gauge('tree_generation', 'Number of the newest tree.', perShard);
  readonly treeAge = this.#gauge('tree_age_seconds', 'Time since the newest tree was built.', perShard);
  readonly treeStale = this.#gauge(
    'tree_stale',
    'Whether the index has moved on since the newest tree: 1 or 0.',
    perShard,
  );
  readonly agreement = this.#gauge(
    'shard_copies_equal',
    'Whether the newest trees of all replicas had one root when last asked: 1, 0, or -1 unknown.',
    perShard,
  );
  readonly sinceConverged = this.#gauge(
    'shard_since_converged_round_seconds',
    'Time since a round last ended with every copy of the shard converged, or since it is known: the one to alert on.',
    perShard,
  );
  readonly sinceVisit = this.#gauge(
    'shard_since_visit_seconds',
    'Time since a round last visited the shard, however it ended.',
    perShard,
  );
  readonly untilDue = this.#gauge(
    'shard_until_due_seconds',
    'Time until the shard must have been visited again; negative when late.',
    perShard,
  );

  readonly runsWaiting = this.#gauge('runs_waiting', 'Runs that wait for their turn.');
  readonly runsRunning = this.#gauge('runs_running', 'Runs under way.');
  readonly runsPaused = this.#gauge('runs_paused', 'Runs that an operator has paused.');
  readonly runs = this.#counter('runs_total', 'Runs that have ended.', ['kind', 'trigger', 'outcome']);
  readonly runSeconds = this.#histogram('run_seconds', 'How long runs took.', ['kind']);
  readonly buildLeaves = this.#counter('build_leaves_total', 'Leaves of trees that were built.');
  readonly differing = this.#counter(
    'repair_differing_properties_total',
    'Properties that were found to differ.',
  );
  readonly changes = this.#counter(
    'repair_versions_total',
    'Versions sent to a copy, by what became of them.',
    ['result'],
  );
  readonly shipped = this.#counter('repair_values_sent_total', 'Values sent to copies that lacked them.');
  readonly shippedBytes = this.#counter('repair_sent_bytes_total', 'Bytes of values sent.');
  readonly fuses = this.#counter(
    'repair_fuses_total',
    'Repairs that were stopped since they would have replaced too much.',
  );
  readonly failures = this.#counter('run_failures_total', 'Runs that failed, by the code of the error.', [
    'code',
  ]);

  readonly peers = this.#gauge('peers', 'Peers that the nodes file and DNS list, without this replica.');
  readonly peerReachable = this.#gauge(
    'peer_reachable',
    'Whether the peer answered when last asked: 1 or 0.',
    ['place'],
  );
  readonly peerSeconds = this.#gauge('peer_listing_seconds', 'How long the peer took to list its shards.', [
    'place',
  ]);
  readonly served = this.#counter('served_calls_total', 'Calls of peers that have ended.', ['call', 'code']);
  readonly servedSeconds = this.#histogram('served_call_seconds', 'How long calls of peers took.', ['call']);

  readonly propertyCalls = this.#counter(
    'property_calls_total',
    'Writes, deletes and queries of applications, by what became of them: ok, or the code of the error.',
    ['call', 'code'],
  );
  readonly propertySeconds = this.#histogram('property_call_seconds', 'How long these took.', ['call']);
  readonly propertiesSent = this.#counter(
    'property_versions_sent_total',
    'Versions written here that other replicas took, or had greater ones of.',
    ['place'],
  );
  readonly propertiesNotSent = this.#counter(
    'property_versions_not_sent_total',
    'Versions written here that were not sent on and are left to the next round.',
    ['place', 'reason'],
  );
  readonly propertiesWaiting = this.#gauge(
    'property_versions_waiting',
    'Versions written here that are on their way to other replicas.',
  );
  readonly clockBehind = this.#gauge(
    'clock_behind_seconds',
    'How far the last write was stamped ahead of the clock, since greater revisions were seen.',
  );

  readonly requests = this.#counter('admin_requests_total', 'Requests to the admin endpoint.', [
    'method',
    'route',
    'status',
  ]);
  readonly requestSeconds = this.#histogram(
    'admin_request_seconds',
    'How long requests to the admin endpoint took.',
    ['route'],
  );
  readonly followers = this.#gauge('admin_event_streams', 'Event streams that are open.');
  readonly historyRuns = this.#gauge('history_runs', 'Runs in the history.');
  readonly historyBytes = this.#gauge('history_bytes', 'Size of the history.');
  readonly diskFree = this.#gauge('disk_free_bytes', 'Free space of the disk that the data root is on.');
  readonly reloads = this.#counter('settings_reloads_total', 'Times that the settings were read again.', [
    'outcome',
  ]);
  readonly problems = this.#counter('problems_total', 'Warnings in the log, by what they are of.', ['of']);

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'tallystick_' });
  }

  #gauge<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Gauge<Label> {
    return new Gauge({ name: `tallystick_${name}`, help, labelNames, registers: this.#registers });
  }

  #counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Counter<Label> {
    return new Counter({ name: `tallystick_${name}`, help, labelNames, registers: this.#registers });
  }

  #histogram<Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Histogram<Label> {
    return new Histogram({
      name: `tallystick_${name}`,
      help,
      labelNames,
      buckets: secondsBuckets,
      registers: this.#registers,
    });
  }
}

/** What the admin endpoint asks of the service behind it. Errors are coded; their codes decide the HTTP status. */
import type { DifferenceResource, DifferencesSummary } from './difference-resources.ts';
import type { BuildOrder, RepairOrder } from './orders.ts';
import type {
  ChangeResource,
  GroupResource,
  PeerResource,
  PropertyResource,
  RunResource,
  ShardResource,
  StatusResource,
} from './resources.ts';

export interface RunFilter {
  readonly state?: RunResource['state'] | undefined;
  readonly kind?: RunResource['kind'] | undefined;
  readonly group?: string | undefined;
  readonly shard?: number | undefined;
  readonly limit: number;
  /** Runs before this one, newest first. */
  readonly before?: string | undefined;
}

/** An order that carries an idempotency key: the same key with the same order gives the same run. */
export interface Idempotency {
  readonly key: string;
  /** Of the order; another one under the same key is refused. */
  readonly fingerprint: string;
}

/** What comes along with an order. */
export interface OrderContext {
  readonly idempotency: Idempotency | null;
  /** The caller's span (W3C Trace Context), as it came. */
  readonly traceparent: string | null;
}

export interface PropertyFilter {
  readonly group: string;
  readonly name?: string | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly deleted: boolean;
  readonly limit: number;
  readonly offset: number;
}

export interface DifferencesFilter {
  readonly group?: string | undefined;
  readonly shard?: number | undefined;
  /** Names or places; null for all. */
  readonly peers: readonly string[] | null;
  readonly limit: number;
}

export interface RequestEvent {
  readonly method: string;
  /** The route's pattern, so that labels stay bounded. */
  readonly route: string;
  readonly status: number;
  readonly tookMs: number;
  /** Who called; null for nobody that is known. */
  readonly caller: string | null;
  /** Whether an order was given, not a look or a property. */
  readonly order: boolean;
}

export interface Operations {
  /** Null when ready, else why not. */
  notReady(): string | null;
  metrics(): Promise<string>;
  status(): Promise<StatusResource>;
  groups(): Promise<GroupResource[]>;
  shards(): Promise<ShardResource[]>;
  /** Throws `not-found`. */
  shard(group: string, shard: number): Promise<ShardResource>;
  peers(): PeerResource[];
  startBuild(order: BuildOrder, context: OrderContext): Promise<RunResource>;
  startRepair(order: RepairOrder, context: OrderContext): Promise<RunResource>;
  runs(filter: RunFilter): RunResource[];
  /** Throws `not-found`. */
  run(id: string): RunResource;
  /** Changes of a run after the `after`-th. Throws `not-found`. */
  changes(id: string, after: number, limit: number): ChangeResource[];
  /** Calls `listener` with a run whenever it moves on; `id` null for all runs. Returns how to stop. */
  follow(id: string | null, listener: (run: RunResource) => void): () => void;
  cancel(id: string): RunResource;
  /** Settles once its work has unwound; then it holds nothing until it is resumed. */
  pauseRun(id: string): Promise<RunResource>;
  resumeRun(id: string): RunResource;
  setPaused(paused: boolean): void;
  /** Null where there is none, or where it is deleted and `deleted` is false. */
  property(group: string, name: string, id: string, deleted: boolean): Promise<PropertyResource | null>;
  query(filter: PropertyFilter): Promise<PropertyResource[]>;
  search(
    text: string,
    group: string | null,
    limit: number,
    signal: AbortSignal,
  ): AsyncIterable<PropertyResource>;
  /** Compares trees as they are. Throws `bad-argument`, `not-found`, `cancelled` and what comparing throws. */
  differences(
    filter: DifferencesFilter,
    signal: AbortSignal,
  ): AsyncGenerator<DifferenceResource | { readonly summary: DifferencesSummary }>;
  onRequest(event: RequestEvent): void;
}

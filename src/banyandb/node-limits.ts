/** The ceilings and deadlines towards BanyanDB nodes, each with its reason; a caller may give others. */
import { dayMs } from '../lib/units.ts';

export interface NodeLimits {
  /** Largest message accepted, in bytes: a node's pages of leaves grow with its data, a slot comes as two. */
  readonly acceptBytesMax: number;
  /** Bytes of keys and digests of one tree, which are put in a temporary file. */
  readonly treeBytesMax: number;
}

export const defaultNodeLimits: NodeLimits = {
  acceptBytesMax: 64 * 1024 * 1024,
  // Some forty million leaves; a node needs months to build a tree of so many.
  treeBytesMax: 4 * 1024 * 1024 * 1024,
};

/** How long a step may take, in milliseconds. */
export interface NodeDeadlines {
  /** What a node or a liaison says of itself. */
  readonly askMs: number;
  /** Until the roots are compared; the node opens its shard. */
  readonly rootMs: number;
  /** A page of leaves. */
  readonly pageMs: number;
  /** The next value. */
  readonly valueMs: number;
  /** The answer to a push: the node gives itself 10 s for each. */
  readonly pushMs: number;
  /** The end of a stream of pushes: the node builds its tree first, minutes where it holds much. */
  readonly endMs: number;
}

export const defaultNodeDeadlines: NodeDeadlines = {
  askMs: 5_000,
  rootMs: 30_000,
  pageMs: 60_000,
  valueMs: 30_000,
  pushMs: 30_000,
  endMs: 600_000,
};

/** Values asked for on one stream: a second of a node's work at most. */
export const keysPerStream = 1_000;

/** Pushes sent and not answered: a node takes them one by one, some milliseconds each. */
export const pushesInFlightMax = 16;

/** Trees that changed while they were walked before it is given up. */
export const walksMax = 3;

/** Groups and nodes read of a cluster: far more than there are. */
export const groupsMax = 100_000;
export const clusterNodesMax = 10_000;

/** Pushes a second to one node, so that its own writers come first; it can take 200 to 300. */
export const defaultPushesPerSecond = 200;

/** How long a cluster keeps tombstones unless told otherwise: 7 days. */
export const defaultDeleteExpiryMs = 7 * dayMs;

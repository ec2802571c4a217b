/** The ceilings and deadlines of the wire, each with its reason; a server or client may be given others. */

/** Version of how trees are composed and spoken of; a peer with another one is refused by name. */
export const wireFormatVersion = 1;

/** What this program can do beyond the first form of the wire; a later call is used only where both know it. */
export const wireAbilities: readonly string[] = [];

/** Abilities read of a peer: far more than there will be. */
export const abilitiesMax = 64;

/** Bytes of a peer's name: one label for logs and reports. */
export const peerNameBytesMax = 256;

/** Keys in one message of a fetch, so that a message of the longest keys stays below 4 MiB. */
export const fetchKeysMax = 256;

/** Keys that a fetch has sent and got no answer for: enough to hide a round trip of 50 ms at 20,000 a second. */
export const fetchKeysInFlightMax = 4 * fetchKeysMax;

/** Batches of an apply that are sent and not answered: keeps the receiver busy over a round trip. */
export const applyBatchesInFlightMax = 8;

/** Batches a server takes from an apply before the first of them is durable. */
export const applyBatchesAheadMax = 4;

/** Characters of a reason in an answer: a sentence with a value in it. */
export const reasonLengthMax = 4_096;

/** Shards in one listing: at 200 bytes each they fit a message. */
export const listedShardsMax = 20_000;

/** Flow control window of one call: a megabyte batch can be on its way while the one before is worked on. */
export const streamWindowBytes = 2 * 1024 * 1024;

/** Flow control window of a connection: several calls at their full windows; what a silent peer can make us hold. */
export const sessionWindowBytes = 8 * 1024 * 1024;

/** Memory Node.js lets one HTTP/2 connection hold, in MB: windows in both directions and messages being written. */
export const sessionMemoryMb = 64;

/** Calls a server works on at once: a round runs a few shards at once, each with at most three calls; one may hold two messages. */
export const callsMax = 128;

/** Calls one connection may have open; above what is worked on, so that the rest hear `busy` and not of a broken stream. */
export const callsPerSessionMax = 512;

/** Connections a server keeps: every peer has one or two. */
export const sessionsMax = 256;

/** Views pinned at once; beyond, the longest unused goes, and who used it compares again. */
export const leasesMax = 256;

/** A view is pinned until this long after its last use. */
export const leaseMs = 60_000;

export interface WireLimits {
  /** Largest message sent, in bytes. */
  readonly sendBytesMax: number;
  /** Largest message accepted, in bytes. */
  readonly acceptBytesMax: number;
  /** Largest page of leaves or slots that a server sends: a few thousand leaves, small beside the flow control windows. */
  readonly pageBytesMax: number;
  /** Largest batch of fetched versions that a server sends, unless one version alone is larger. */
  readonly fetchBatchBytesMax: number;
}

export const defaultWireLimits: WireLimits = {
  sendBytesMax: 4 * 1024 * 1024,
  acceptBytesMax: 10 * 1024 * 1024,
  pageBytesMax: 256 * 1024,
  fetchBatchBytesMax: 1024 * 1024,
};

/**
 * How long a step may take, in milliseconds; the name of each is the step a `timeout` error names. Both ends keep them,
 * each by its own clock. A call of one answer tells the other end how long it is waited for (`grpc-timeout`), so that
 * no work is done for nobody. A stream does not: it may go on for hours as long as it makes progress, so what ends it
 * is the idle time between two messages, which each end measures by itself; a timeout of the whole would either cut
 * off a long repair that goes well or be so long that it tells nothing.
 */
export interface WireDeadlines {
  /** Whole answers of one message. */
  readonly listShardsMs: number;
  readonly healthMs: number;
  /** Until the header of a view is there; a view in another spelling is made from the whole index. */
  readonly openViewMs: number;
  /** Until a peer has taken a view back; short, since nothing depends on it. */
  readonly releaseMs: number;
  /** Until an apply is open; an absent group is created. */
  readonly openApplyMs: number;
  /** Any stream: without progress for so long, it ends. */
  readonly idleMs: number;
  /** Any stream: its whole length. */
  readonly streamMs: number;
}

export const defaultWireDeadlines: WireDeadlines = {
  listShardsMs: 30_000,
  healthMs: 5_000,
  openViewMs: 600_000,
  releaseMs: 2_000,
  openApplyMs: 30_000,
  idleMs: 30_000,
  streamMs: 6 * 3_600_000,
};

/** A build or a long apply tells that it goes on this often: several times within an idle timeout. */
export const keepAliveShare = 1 / 4;

/** Metadata that tells for how long an answer is waited (gRPC over HTTP/2, "Timeout"). */
export const timeoutHeader = 'grpc-timeout';

/** Milliseconds, at most the eight digits that the protocol allows. */
export function timeoutValue(timeoutMs: number): string {
  return `${Math.min(Math.ceil(timeoutMs), 99_999_999)}m`;
}

/** Metadata that carries the run a call belongs to, for logs and traces. */
export const runIdHeader = 'tallystick-run';
export const runIdPattern = /^[\w.-]{1,64}$/;

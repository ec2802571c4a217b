/**
 * One stream of a node's RepairService: the roots are compared first, then messages go both ways. What is sent goes
 * out while answers come in, so neither side waits for the other; every wait for an answer has its timeout.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';
import { SendQueue } from '../peer/send-queue.ts';
import { withinTime } from '../peer/within-time.ts';
import {
  type RepairRequestSchema,
  type RepairResponse,
  RepairService,
} from './generated/banyandb/property/v1/repair_pb.ts';
import type { NodeDeadlines } from './node-limits.ts';

type Request = NonNullable<MessageInitShape<typeof RepairRequestSchema>['data']>;

/** A shard of a node, and how to reach it. */
export interface NodePlace {
  readonly connection: PeerConnection;
  readonly deadlines: NodeDeadlines;
  readonly group: string;
  readonly shard: number;
}

/** A slot and its digest as they go over the wire. */
export interface WireSlot {
  readonly slot: number;
  /** Hex. */
  readonly value: string;
}

/** A root that no tree has: SHA-512 never gave it. */
export const noRoot = '0'.repeat(128);

export class RepairStream implements Disposable {
  readonly #place: NodePlace;
  readonly #signal: AbortSignal | undefined;
  readonly #call = new AbortController();
  readonly #queue = new SendQueue<MessageInitShape<typeof RepairRequestSchema>>();
  readonly #answers: AsyncIterator<RepairResponse>;

  constructor(place: NodePlace, signal: AbortSignal | undefined) {
    throwIfAborted(signal);
    this.#place = place;
    this.#signal = signal;
    const { connection } = place;
    const client = connection.client(RepairService);
    this.#answers = connection
      .listenUnbounded((options) => client.repair(this.#queue, options), this.#call)
      [Symbol.asyncIterator]();
  }

  /** To be called first: whether the node's tree has this root (hex). Throws `no-tree` where it has none. */
  async compareRoot(rootSha: string): Promise<boolean> {
    const { connection, deadlines, group, shard } = this.#place;
    this.send({ case: 'treeRoot', value: { group, shardId: shard, rootSha } });
    const answer = await this.next('comparing roots', deadlines.rootMs);
    if (answer?.data.case !== 'rootCompare')
      throw connection.wrong('no comparison of roots', { group, shard });
    const { treeFound, rootShaMatch } = answer.data.value;
    if (treeFound) return rootShaMatch;
    throw new CodedError(
      'no-tree',
      `${connection.place} has no tree of group ${group}, shard ${shard} yet; its own build makes one`,
      { place: connection.place, group, shard },
    );
  }

  /** To be called second: the slots that need no leaves, since they are known; then the node sends pages. */
  sendSlots(known: readonly WireSlot[]): void {
    if (known.length > 0) {
      const slotSha = known.map((slot) => ({ ...slot }));
      this.send({ case: 'treeSlots', value: { slotSha } });
    }
    // The one without slots ends them.
    this.send({ case: 'treeSlots', value: { slotSha: [] } });
  }

  send(data: Request): void {
    this.#queue.push({ data });
  }

  /** The next answer, or null at the end of the stream. Errors name the node. */
  async next(step: string, timeoutMs: number): Promise<RepairResponse | null> {
    const { connection } = this.#place;
    try {
      const { clock } = connection;
      const limit = { clock, step, timeoutMs, signal: this.#signal };
      const next = await withinTime(this.#answers.next(), limit);
      return next.done ? null : next.value;
    } catch (error) {
      throw withHelp(connection.error(error, this.#signal));
    }
  }

  /** Nothing more will be sent; the node answers what it was sent and ends the stream. */
  end(): void {
    this.#queue.end();
  }

  /** Breaks the stream off. */
  [Symbol.dispose](): void {
    this.#queue.end();
    this.#call.abort();
  }
}

/** A page of leaves grows with what a node holds, so its ceiling is the operator's to raise. */
function withHelp(error: CodedError): CodedError {
  if (error.code !== 'too-large') return error;
  const message = `${error.message}; --page-max, in settings pageMax, accepts larger pages of leaves`;
  return new CodedError(error.code, message, error.details, { cause: error });
}

/**
 * Pushes versions to a node over one long stream and says what became of each. The node answers a push only where it
 * did not take it, so each is followed by the question what it has now: that answer comes in any case, unless the node
 * could do neither.
 */
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { joinEntity } from '../property/entity.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { compareVersions } from '../property/version.ts';
import type { ApplyResult, StoredVersion } from '../shard-copy/shard-copy.ts';
import { type Candidate, candidateOf } from './decide-push.ts';
import { knownSlots } from './fetch-values.ts';
import type { PropertySyncWithFrom } from './generated/banyandb/property/v1/repair_pb.ts';
import { PropertySyncFromType as From } from './generated/banyandb/property/v1/repair_pb.ts';
import { pushesInFlightMax } from './node-limits.ts';
import { documentId, toWireProperty } from './node-property.ts';
import type { NodeTree } from './node-tree.ts';
import { type NodeVersion, readNodeVersion } from './node-version.ts';
import type { PushPace } from './push-pace.ts';
import { type NodePlace, noRoot, RepairStream } from './repair-stream.ts';

export interface Push extends Candidate {
  /** A tombstone that meets a document of its revision. */
  readonly settle: boolean;
}

interface Sent {
  readonly entity: string;
  readonly push: Push;
  readonly atMs: number;
}

export interface PushStreamOptions {
  readonly clock: Clock;
  readonly known: NodeTree | null;
  readonly pace: PushPace;
  readonly signal: AbortSignal | undefined;
}

export class PushStream implements AsyncDisposable {
  readonly #place: NodePlace;
  readonly #options: PushStreamOptions;
  #stream: RepairStream | null = null;
  /** The entity asked for last, while its answer is due. */
  #fence: string | null = null;
  /** The answer that is waited for, until it is taken. */
  #answer: Promise<ApplyResult[]> | null = null;
  /** When the last answer came. */
  #answeredMs = 0;

  constructor(place: NodePlace, options: PushStreamOptions) {
    this.#place = place;
    this.#options = options;
  }

  /**
   * Pushes versions of different entities; one result each, in order. `known` is another entity that the node has, if
   * one is known: asked for last, its answer shows that the node is done with all others.
   */
  async push(pushes: readonly Push[], known: string | null): Promise<readonly ApplyResult[]> {
    const results: ApplyResult[] = [];
    const due: Sent[] = [];
    const { pace, signal } = this.#options;
    let sent = 0;
    if (pushes.length === 0) return results;
    this.#fence = null;
    // Ends: every turn sends a push, ends the wait for at least one, or for the pace.
    while (results.length < pushes.length || this.#fence !== null) {
      const next = pushes[sent];
      if (next === undefined && known !== null && this.#fence === null && due.length > 0) {
        this.#fence = known;
        this.#stream?.send({ case: 'propertyMissing', value: { entity: known } });
      }
      const room = next !== undefined && due.length < pushesInFlightMax;
      if (room && pace.take()) {
        due.push(this.#send(next));
        sent++;
      } else if (room && due.length === 0) await pace.wait(signal);
      else results.push(...(await this.#nextAnswer(due, room)));
    }
    return results;
  }

  /** As {@link #takeAnswer}; nothing where the pace lets the next push go out `sooner`: then the wait goes on with that. */
  async #nextAnswer(due: Sent[], sooner: boolean): Promise<ApplyResult[]> {
    const { pace, signal } = this.#options;
    this.#answer ??= this.#takeAnswer(due);
    // Where the wait for the pace ends the pushes, nobody is left to be told.
    this.#answer.catch(() => undefined);
    const waits = sooner ? [pace.wait(signal).then(() => null)] : [];
    const answer = await Promise.race([this.#answer, ...waits]);
    if (answer === null) return [];
    this.#answer = null;
    return answer;
  }

  /** Has the node end the stream, which it does when it has built its tree anew. */
  async [Symbol.asyncDispose](): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null) return;
    using open = stream;
    open.end();
    const { deadlines } = this.#place;
    for (let left = endMessagesMax; left > 0; left--) {
      if ((await open.next('the end of the pushes', deadlines.endMs)) === null) return;
    }
  }

  /** Opens the stream, unless it is; to be called before pushes. Throws `no-tree`, `unreachable`, `timeout`. */
  async open(): Promise<void> {
    this.#stream ??= await this.#openStream();
  }

  async #openStream(): Promise<RepairStream> {
    const { connection, deadlines, group, shard } = this.#place;
    const stream = new RepairStream(this.#place, this.#options.signal);
    try {
      await stream.compareRoot(noRoot);
      stream.sendSlots(knownSlots(this.#options.known));
      const page = await stream.next('opening the pushes', deadlines.pageMs);
      if (page?.data.case === 'differTreeSummary') return stream;
      throw connection.wrong('no page of leaves', { group, shard });
    } catch (error) {
      stream[Symbol.dispose]();
      throw error;
    }
  }

  #send(push: Push): Sent {
    throwIfAborted(this.#options.signal);
    const stream = this.#stream;
    assert(stream !== null, 'the stream of a push is open');
    const { property, version } = push;
    const entity = joinEntity(property);
    const sync = (deleteTime: bigint) =>
      stream.send({
        case: 'propertySync',
        value: { id: documentId(property), property: toWireProperty(property), deleteTime },
      });
    sync(version.deleteTime);
    if (push.settle) {
      // There may be two documents of one id now. Each of these finds tombstones only, of another delete time than its
      // own, and replaces all documents of the id, so that one is left: the version itself. 0 would be a live one.
      sync(version.deleteTime > 1n ? version.deleteTime - 1n : version.deleteTime + 1n);
      sync(version.deleteTime);
    }
    stream.send({ case: 'propertyMissing', value: { entity } });
    return { entity, push, atMs: this.#options.clock.monotonicMs() };
  }

  /** Takes the answer to the first push that is due; results for it and for those before it that got none. */
  async #takeAnswer(due: Sent[]): Promise<ApplyResult[]> {
    const found = await this.#nextVersion();
    if (found === null || found.entity === this.#fence) {
      this.#fence = null;
      return due.splice(0).map(() => noAnswer);
    }
    const at = due.findIndex(({ entity }) => entity === found.entity);
    const sent = due[at];
    if (sent === undefined) {
      const { connection, group, shard } = this.#place;
      throw connection.wrong(`a value of ${found.entity}, which was not pushed`, { group, shard });
    }
    due.splice(0, at + 1);
    if (at === 0) this.#tellPace(sent);
    const silent = Array.from({ length: at }, () => noAnswer);
    return [...silent, resultOf(sent.push, candidateOf(found.property, found.version).version)];
  }

  /** The node takes the pushes of a stream one by one, so it began with this one when it had answered the one before. */
  #tellPace({ atMs, push }: Sent): void {
    const { clock, pace } = this.#options;
    const now = clock.monotonicMs();
    const tookMs = now - Math.max(atMs, this.#answeredMs);
    this.#answeredMs = now;
    pace.took(tookMs / (push.settle ? settlingPushes : 1));
  }

  /** What the node has now of a pushed entity; null where it has answered everything it is going to. */
  async #nextVersion(): Promise<NodeVersion | null> {
    const { connection, deadlines, group } = this.#place;
    const stream = this.#stream;
    if (stream === null) return null;
    // At most one answer a push and one a question, however many are due.
    for (let left = (pushesInFlightMax + 1) * answersPerPush; left > 0; left--) {
      const answer = await stream.next('pushing values', deadlines.pushMs);
      if (answer?.data.case !== 'propertySync')
        throw connection.wrong('something that is no value', { group });
      if (answersQuestion(answer.data.value))
        return readNodeVersion(connection, group, answer.data.value.property);
    }
    throw connection.wrong('more answers than it was sent versions', { group });
  }
}

/** A settled version is pushed so often. */
const settlingPushes = 3;

/** As many, and the question. */
const answersPerPush = settlingPushes + 1;

/** What a node may still send after the last push: the page it was at, and the one that ends them. */
const endMessagesMax = 1_000_000;

const noAnswer: ApplyResult = {
  result: 'refused',
  reason: 'the node took the version without storing it, and does not say why; its log does',
};

function answersQuestion({ from }: PropertySyncWithFrom): boolean {
  return from === From.MISSING;
}

function resultOf({ version }: Push, has: StoredVersion): ApplyResult {
  const order = compareVersions(has, version);
  if (order === 0) return { result: 'applied' };
  // A writer of the cluster was quicker, or came right after: either way nothing of ours is lacking.
  if (order > 0) return { result: 'kept' };
  return { result: 'refused', reason: `the node did not take it and has revision ${has.revision}` };
}

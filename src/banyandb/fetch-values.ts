/**
 * Reads newest versions from a node. It answers in the order asked and says nothing of what it does not have; that
 * everything was answered shows in what it sends next: a further page of leaves, or the end of the stream.
 */
import { toHex } from '../lib/bytes.ts';
import { joinEntity, parseEntityKey } from '../property/entity.ts';
import type { Fetched } from '../shard-copy/shard-copy.ts';
import type { RepairResponse } from './generated/banyandb/property/v1/repair_pb.ts';
import { keysPerStream } from './node-limits.ts';
import type { NodeTree } from './node-tree.ts';
import { readNodeVersion } from './node-version.ts';
import { type NodePlace, noRoot, RepairStream, type WireSlot } from './repair-stream.ts';

export interface FetchOptions {
  /** The tree as it was last read, so that its leaves are not sent again. */
  readonly known: NodeTree | null;
  readonly signal?: AbortSignal | undefined;
}

/** The newest versions of `keys`, in the order asked, as the node has them now. */
export async function* fetchValues(
  place: NodePlace,
  keys: Iterable<Buffer>,
  options: FetchOptions,
): AsyncGenerator<Fetched> {
  let some: Buffer[] = [];
  for (const key of keys) {
    some.push(key);
    if (some.length < keysPerStream) continue;
    yield* fetchSome(place, some, options);
    some = [];
  }
  if (some.length > 0) yield* fetchSome(place, some, options);
}

export function knownSlots(tree: NodeTree | null): WireSlot[] {
  return (tree?.slots ?? []).map(({ slot, digest }) => ({ slot, value: toHex(digest) }));
}

async function* fetchSome(
  place: NodePlace,
  keys: readonly Buffer[],
  { known, signal }: FetchOptions,
): AsyncGenerator<Fetched> {
  const { connection, deadlines, group, shard } = place;
  using stream = new RepairStream(place, signal);
  await stream.compareRoot(noRoot);
  stream.sendSlots(knownSlots(known));
  // All at once: what it has not answered for, it need not have. The transport bounds what is on its way.
  for (const key of keys) {
    stream.send({ case: 'propertyMissing', value: { entity: joinEntity(parseEntityKey(group, key)) } });
  }
  stream.end();
  const first = await stream.next('reading leaves', deadlines.pageMs);
  if (first?.data.case !== 'differTreeSummary') throw connection.wrong('no page of leaves', { group, shard });
  for (let answered = 0; answered < keys.length; answered++) {
    const answer = await nextValue(stream, place);
    const found = answer === null ? null : readNodeVersion(connection, group, answer);
    const isDue = (key: Buffer, at: number): boolean =>
      at >= answered && found?.version.key.equals(key) === true;
    const at = found === null ? keys.length : keys.findIndex(isDue);
    if (at < 0) {
      throw connection.wrong(`a value of ${found?.entity}, which was not due`, { group, shard });
    }
    // Those before it were passed over in silence: the node has none of them.
    for (const key of keys.slice(answered, at)) yield { key, version: null };
    answered = at;
    if (found === null) return;
    yield { key: found.version.key, version: found.version };
  }
}

type Value = Extract<RepairResponse['data'], { case: 'propertySync' }>['value']['property'];

/** The next value, or null where all that were asked for have been answered. */
async function nextValue(stream: RepairStream, { connection, deadlines }: NodePlace): Promise<Value | null> {
  const answer = await stream.next('fetching values', deadlines.valueMs);
  if (answer === null || answer.data.case === 'differTreeSummary') return null;
  if (answer.data.case !== 'propertySync') throw connection.wrong('something that is no value');
  return answer.data.value.property;
}

/**
 * Reads newest versions from a peer: keys go up while answers come down, a bounded number of keys ahead. Every
 * answer must be for the key that is due: one per key, in the order asked.
 */
import { compareBytes } from '../lib/bytes.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import type { Fetched } from '../shard-copy/shard-copy.ts';
import type { FetchRequest, Version } from './generated/tallystick/v1/shard_pb.ts';
import type { PeerConnection } from './peer-connection.ts';
import { checked, type PeerPlace } from './peer-view.ts';
import { SendQueue } from './send-queue.ts';
import { fetchKeysInFlightMax, fetchKeysMax } from './wire-limits.ts';
import { asBuffer } from './wire-tree.ts';
import { fromWireVersion, hexOf, versionTooLarge } from './wire-version.ts';

/** The parts of a request that are set. */
type KeysUp = Pick<FetchRequest, '$typeName' | 'keys'> & Partial<Pick<FetchRequest, 'start'>>;

export async function* fetchFromPeer(
  connection: PeerConnection,
  place: PeerPlace,
  { keys, signal }: { readonly keys: Iterable<Buffer>; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<readonly Fetched[]> {
  throwIfAborted(signal);
  const asking = keys[Symbol.iterator]();
  const due: Buffer[] = [];
  const queue = new SendQueue<KeysUp>();
  const askMore = (): boolean => {
    const some: Buffer[] = [];
    for (let next = asking.next(); ; next = asking.next()) {
      if (next.done) {
        if (some.length > 0) queue.push(keysUp(some));
        queue.end();
        return false;
      }
      some.push(next.value);
      due.push(next.value);
      if (some.length === fetchKeysMax) break;
    }
    queue.push(keysUp(some));
    return true;
  };
  queue.push({ ...keysUp([]), start: { $typeName: 'tallystick.v1.StreamStart', ...place } });
  let more = askMore();
  // Nothing was asked, so there is nothing to call for.
  if (due.length === 0) return;
  while (more && due.length < fetchKeysInFlightMax) more = askMore();
  const answers = connection.listen((options) => connection.shards.fetch(queue, options), {
    step: 'fetching values',
    signal,
  });
  try {
    for await (const message of answers) {
      if (message.answers.length === 0) throw connection.wrong('an empty answer to a fetch');
      const page: Fetched[] = [];
      try {
        for (const answer of message.answers) {
          const key = due[page.length];
          if (key === undefined)
            throw connection.wrong('a value that nobody asked for', { key: hexOf(answer.key) });
          page.push(readAnswer(connection, place, { key, answer }));
        }
      } finally {
        // Also what comes before one that is wrong, or too large.
        if (page.length > 0) yield page;
      }
      // Answered keys are forgotten, and as many new ones go up.
      due.splice(0, page.length);
      while (more && due.length <= fetchKeysInFlightMax - fetchKeysMax) more = askMore();
    }
    const [missing] = due;
    if (missing !== undefined)
      throw connection.wrong('fewer answers than it was asked for', { key: hexOf(missing) });
  } finally {
    queue.end();
    asking.return?.();
  }
}

function keysUp(keys: Uint8Array[]): KeysUp {
  return { $typeName: 'tallystick.v1.FetchRequest', keys };
}

function readAnswer(
  connection: PeerConnection,
  place: PeerPlace,
  { key, answer }: { readonly key: Buffer; readonly answer: Version },
): Fetched {
  if (compareBytes(asBuffer(answer.key), key) !== 0) {
    throw connection.wrong('an answer out of order, or to nothing that was asked', {
      wanted: hexOf(key),
      got: hexOf(answer.key),
    });
  }
  if (answer.tooLarge)
    throw connection.error(versionTooLarge(place.group, key, connection.limits.acceptBytesMax));
  const version = checked(connection, () => fromWireVersion(answer));
  return { key, version };
}

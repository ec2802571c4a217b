/** Serves Fetch and Apply: how values travel. Both read while they write, and hold a bounded number of batches. */
import { create } from '@bufbuild/protobuf';
import { CodedError } from '../lib/coded-error.ts';
import { yieldToEventLoop } from '../lib/event-loop.ts';
import {
  applyBatchBytesMax,
  applyBatchRowsMax,
  type ApplyResult,
  type Fetched,
  type StoredVersion,
} from '../shard-copy/shard-copy.ts';
import { EncodedVersion } from '../property/encoded-version.ts';
import { answerInOrder } from './answer-in-order.ts';
import {
  type ApplyRequest,
  type ApplyResponse,
  ApplyResponseSchema,
  type FetchRequest,
  type FetchResponse,
  FetchResponseSchema,
  type Version,
} from './generated/tallystick/v1/shard_pb.ts';
import { checkPlace, type ServedCall } from './served-call.ts';
import type { ShardProvider } from './shard-provider.ts';
import { applyBatchesAheadMax, fetchKeysInFlightMax, fetchKeysMax, reasonLengthMax } from './wire-limits.ts';
import { asBuffer, badMessage, fromWireSettings, readCount } from './wire-tree.ts';
import { checkKey, fromWireVersion, toWireVersion, wireVersionBytes, withoutValue } from './wire-version.ts';

export async function* serveFetch(
  requests: AsyncIterable<FetchRequest>,
  call: ServedCall,
  provider: ShardProvider,
): AsyncGenerator<FetchResponse> {
  const incoming = requests[Symbol.asyncIterator]();
  const { value: first } = await call.hear('the start of a fetch', incoming.next());
  const start = (first as FetchRequest | undefined)?.start;
  if (start === undefined) throw badMessage('a fetch begins with its start');
  checkPlace(start.group, start.shard);
  const copy = await provider.copy(start.group, start.shard);
  let keys = readKeys(first as FetchRequest);
  let reading = incoming.next();
  reading.catch(() => undefined);
  for (;;) {
    // Keys that have come already are read together: each read of a copy opens its index.
    let next = keys.length < fetchKeysInFlightMax ? await hereAlready(reading) : null;
    if (next === null && keys.length > 0) {
      yield* fetchBatches(copy.fetch(keys, call.signal), call);
      keys = [];
    }
    next ??= await call.hear('the keys of a fetch', reading);
    if (next.done) break;
    if (next.value.start !== undefined) throw badMessage('a fetch that starts twice');
    keys.push(...readKeys(next.value));
    reading = incoming.next();
    // Whoever ends early does not wait for it any more.
    reading.catch(() => undefined);
  }
  if (keys.length > 0) yield* fetchBatches(copy.fetch(keys, call.signal), call);
}

function readKeys({ keys }: FetchRequest): Buffer[] {
  if (keys.length > fetchKeysMax)
    throw badMessage(`${keys.length} keys in one message`, { ceiling: fetchKeysMax });
  for (const key of keys) checkKey(key);
  return keys.map(asBuffer);
}

/** What a promise came to, where it has settled within a turn of the event loop. */
async function hereAlready<T>(promise: Promise<T>): Promise<T | null> {
  return await Promise.race([promise, yieldToEventLoop().then(() => null)]);
}

async function* fetchBatches(
  fetched: AsyncIterable<readonly Fetched[]>,
  call: ServedCall,
): AsyncGenerator<FetchResponse> {
  const { sendBytesMax, fetchBatchBytesMax } = call.options.limits;
  let answers: Version[] = [];
  let bytes = 0;
  for await (const page of fetched) {
    for (const { key, version } of page) {
      const more = version === null ? key.length : wireVersionBytes(version);
      if (answers.length > 0 && bytes + more > fetchBatchBytesMax) {
        yield create(FetchResponseSchema, { answers });
        answers = [];
        bytes = 0;
      }
      if (version === null) answers.push(withoutValue(key));
      else if (more > sendBytesMax) answers.push(withoutValue(key, { tooLarge: true }));
      else answers.push(toWireVersion(version));
      bytes += more;
    }
  }
  if (answers.length > 0) yield create(FetchResponseSchema, { answers });
}

export async function* serveApply(
  requests: AsyncIterable<ApplyRequest>,
  call: ServedCall,
  provider: ShardProvider,
): AsyncGenerator<ApplyResponse> {
  const incoming = requests[Symbol.asyncIterator]();
  const { value: first } = await call.hear('the start of an apply', incoming.next());
  const start = (first as ApplyRequest | undefined)?.start;
  if (start === undefined) throw badMessage('an apply begins with its start');
  if ((first as ApplyRequest).versions.length > 0) throw badMessage('an apply begins with its start alone');
  checkPlace(start.group, start.shard);
  const settings = fromWireSettings(start.settings);
  if (start.shard >= settings.shards)
    throw badMessage(`shard ${start.shard} of ${settings.shards}`, { field: 'shard' });
  const confirmed = start.confirmed === undefined ? null : readCount(start.confirmed, 'the confirmed number');
  const copy = await provider.copy(start.group, start.shard, settings);
  await using session = await copy.openApply({ settings, confirmed, signal: call.signal });
  yield create(ApplyResponseSchema);
  let batches = 0;
  yield* answerInOrder({
    ahead: applyBatchesAheadMax,
    // An empty message only says that its sender is still there.
    read: async () => {
      for (;;) {
        const next = await incoming.next();
        if (next.done || next.value.versions.length > 0 || next.value.start !== undefined) return next;
      }
    },
    waitForPeer: (reading) => call.hear('the next batch of an apply', reading),
    work: async (request) => {
      batches++;
      const { batch } = request;
      if (batch !== batches) throw badMessage(`batch ${batch} where ${batches} was due`);
      return encodeResults(batch, await session.apply(readBatch(request), call.signal));
    },
  });
}

/** The versions of a batch. Throws `bad-message`, `too-large`. */
function readBatch({ start, versions }: ApplyRequest): StoredVersion[] {
  if (start !== undefined) throw badMessage('an apply that starts twice');
  if (versions.length > applyBatchRowsMax) {
    throw new CodedError(
      'too-large',
      `${versions.length} versions in one batch; the ceiling is ${applyBatchRowsMax}`,
      {
        ceiling: applyBatchRowsMax,
      },
    );
  }
  let bytes = 0;
  const batch = versions.map((wire) => {
    const version = fromWireVersion(wire);
    if (version === null) throw badMessage('a version without a source in a batch to apply');
    bytes += EncodedVersion.sizeOf(version);
    return version;
  });
  if (bytes > applyBatchBytesMax && batch.length > 1) {
    throw new CodedError('too-large', `${bytes} bytes in one batch; the ceiling is ${applyBatchBytesMax}`, {
      ceiling: applyBatchBytesMax,
    });
  }
  return batch;
}

const resultBytes = { applied: 0, kept: 1, refused: 2 } as const;

function encodeResults(batch: number, results: readonly ApplyResult[]): ApplyResponse {
  return create(ApplyResponseSchema, {
    batch,
    results: Uint8Array.from(results, ({ result }) => resultBytes[result]),
    reasons: results.flatMap((result) =>
      result.result === 'refused' ? [result.reason.slice(0, reasonLengthMax).toWellFormed()] : [],
    ),
  });
}

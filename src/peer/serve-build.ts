/** Serves Build: fresh trees on request, with a sign of life while one takes its time. */
import { create } from '@bufbuild/protobuf';
import type { Clock } from '../lib/clock.ts';
import {
  type BuildRequest,
  type BuildResponse,
  BuildResponseSchema,
  BuildResponse_Outcome as Outcome,
} from './generated/tallystick/v1/shard_pb.ts';
import { checkPlace, type ServedCall } from './served-call.ts';
import type { BuildProgress, ShardProvider } from './shard-provider.ts';
import { keepAliveShare, listedShardsMax } from './wire-limits.ts';
import { badMessage } from './wire-tree.ts';

export async function* serveBuild(
  request: BuildRequest,
  call: ServedCall,
  provider: ShardProvider,
): AsyncGenerator<BuildResponse> {
  if (request.targets.length > listedShardsMax)
    throw badMessage(`${request.targets.length} targets of one build`);
  const targets = request.targets.map(({ group, shard }) => {
    checkPlace(group, shard ?? 0);
    return { group, shard: shard ?? null };
  });
  const progress = provider.build({ targets, force: request.force }, call.signal)[Symbol.asyncIterator]();
  const { clock, deadlines } = call.options;
  try {
    for (;;) {
      const next = progress.next();
      // Whoever leaves early does not wait for the answer any more.
      next.catch(() => undefined);
      while (!(await settledWithin(next, deadlines.idleMs * keepAliveShare, clock)))
        yield create(BuildResponseSchema);
      const { done, value } = await next;
      if (done) return;
      yield encodeProgress(value);
    }
  } finally {
    await progress.return?.();
  }
}

async function settledWithin(work: Promise<unknown>, delayMs: number, clock: Clock): Promise<boolean> {
  const timer = new AbortController();
  const late = clock.sleep(delayMs, timer.signal).then(
    () => false,
    () => true,
  );
  const settled = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    timer.abort();
  }
}

const outcomes = {
  running: Outcome.RUNNING,
  built: Outcome.BUILT,
  skipped: Outcome.SKIPPED,
  failed: Outcome.FAILED,
} as const;

function encodeProgress({
  group,
  shard,
  outcome,
  leaves,
  generation,
  root,
  reason,
}: BuildProgress): BuildResponse {
  const response = create(BuildResponseSchema, {
    group,
    shard,
    outcome: outcomes[outcome],
    leaves: BigInt(leaves),
    reason: reason ?? '',
  });
  if (generation !== null) response.generation = generation;
  if (root !== null) response.root = root;
  return response;
}

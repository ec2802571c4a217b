/** An honest peer, servers that change what it answers, and the uses of a peer that must find out. */
import { expect } from 'vitest';
import { systemClock } from '../../src/lib/clock.ts';
import type { CodedError } from '../../src/lib/coded-error.ts';
import type {
  ApplyResponse,
  FetchResponse,
  LeafPage,
  ListShardsResponse,
  SlotsResponse,
} from '../../src/peer/generated/tallystick/v1/shard_pb.ts';
import { PeerClient } from '../../src/peer/peer-client.ts';
import { PeerShardCopy } from '../../src/peer/peer-shard-copy.ts';
import type { WireDeadlines } from '../../src/peer/wire-limits.ts';
import { startHostileServer, type Tampering } from './hostile-peer.ts';
import { MemoryShardCopy } from './memory-shard-copy.ts';
import { type PeerPair, providerOf, startPair } from './peer-pair.ts';
import { readLeaves } from './read-view.ts';
import { makeVersion } from './versions.ts';

export const settings = { shards: 1, slots: 32, spelling: 'compact' } as const;
export const versions = Array.from({ length: 300 }, (_, at) => makeVersion({ id: `e${at}`, revision: 10n }));
export const keys = versions.slice(0, 20).map(({ key }) => key);
/** For peers that stall; what is wrong otherwise shows at once, however slow the machine. */
export const deadlines = { idleMs: 150, openViewMs: 150, openApplyMs: 150, listShardsMs: 150 };

export let honest: PeerPair;

/** Starts the honest peer behind all tampering; the caller disposes it. */
export async function startHonest(): Promise<PeerPair> {
  const behind = new MemoryShardCopy({ pageLeaves: 40 });
  behind.load(versions);
  behind.build();
  honest = await startPair(providerOf([behind]));
  return honest;
}

export type Use = (copy: PeerShardCopy, client: PeerClient) => Promise<unknown>;

export const uses = {
  list: (_copy, client) => client.listShards({ group: 'g' }),
  slots: async (copy) => {
    await using view = await copy.openView({ spelling: 'compact' });
    return await Array.fromAsync(view.slots());
  },
  leaves: async (copy) => {
    await using view = await copy.openView();
    return await readLeaves(view);
  },
  fetch: (copy) => Array.fromAsync(copy.fetch(keys)),
  apply: async (copy) => {
    await using session = await copy.openApply({ settings, confirmed: null });
    return await Promise.all([session.apply(versions.slice(0, 5)), session.apply(versions.slice(5, 10))]);
  },
} satisfies Record<string, Use>;

/** The code and place with which a use of a server that tampers ends. */
export async function codeOf(tampering: Tampering, use: Use): Promise<string> {
  await using hostile = await startHostileServer(honest.client.connection.shards, tampering);
  return await codeAt(hostile.port, use);
}

export async function codeAt(port: number, use: Use, within: Partial<WireDeadlines> = {}): Promise<string> {
  using client = new PeerClient({ place: `127.0.0.1:${port}`, clock: systemClock, deadlines: within });
  try {
    await use(new PeerShardCopy(client, 'g', 0), client);
    return 'none';
  } catch (error) {
    const { code, details } = error as CodedError;
    expect(details['place']).toBe(`127.0.0.1:${port}`);
    return code;
  }
}

export const shards = () => honest.client.connection.shards;

export function changeList(change: (answer: ListShardsResponse) => void): Tampering {
  return {
    listShards: async (request) => {
      const answer = await shards().listShards(request);
      change(answer);
      return answer;
    },
  };
}

/** Changes the header, and the one page of slots as it comes. */
export function changeSlots(change: (answer: SlotsResponse) => SlotsResponse[] | undefined): Tampering {
  return {
    slots: async function* (request, { signal }) {
      for await (const answer of shards().slots(request, { signal })) yield* change(answer) ?? [answer];
    },
  };
}

export function changeHeader(
  change: (header: NonNullable<SlotsResponse['header']>, answer: SlotsResponse) => void,
): Tampering {
  return changeSlots((answer) => {
    if (answer.header) change(answer.header, answer);
    return undefined;
  });
}

export function changePage(change: (page: SlotsResponse) => SlotsResponse[] | undefined): Tampering {
  return changeSlots((answer) => (answer.header ? undefined : change(answer)));
}

export function changeLeaves(change: (pages: LeafPage[]) => LeafPage[] | undefined): Tampering {
  return {
    leaves: async function* (request, { signal }) {
      for await (const answer of shards().leaves(request, { signal })) {
        yield { ...answer, pages: change(answer.pages) ?? answer.pages };
      }
    },
  };
}

export function changeFetched(change: (answer: FetchResponse) => FetchResponse[] | undefined): Tampering {
  return {
    fetch: async function* (requests, { signal }) {
      for await (const answer of shards().fetch(requests, { signal })) yield* change(answer) ?? [answer];
    },
  };
}

export function changeApplied(change: (answer: ApplyResponse) => ApplyResponse[] | undefined): Tampering {
  return {
    apply: async function* (requests, { signal }) {
      for await (const answer of shards().apply(requests, { signal })) yield* change(answer) ?? [answer];
    },
  };
}

export const batchAnswers = (change: (answer: ApplyResponse) => ApplyResponse[] | undefined): Tampering =>
  changeApplied((answer) => (answer.results.length > 0 ? change(answer) : undefined));

/** Serves ListShards, Slots and Leaves: what peers compare by. */
import { create } from '@bufbuild/protobuf';
import { CodedError } from '../lib/coded-error.ts';
import { slotsMax } from '../property/group-settings.ts';
import {
  type LeavesRequest,
  type LeavesResponse,
  type ListedGroup,
  ListedGroupSchema,
  ListedShardSchema,
  type ListShardsRequest,
  type ListShardsResponse,
  ListShardsResponseSchema,
  type SlotsRequest,
  type SlotsResponse,
  SlotsResponseSchema,
} from './generated/tallystick/v1/shard_pb.ts';
import { checkPlace, type ServedCall } from './served-call.ts';
import type { ListFilter, ShardProvider } from './shard-provider.ts';
import type { LeasedView, ViewLeases } from './view-leases.ts';
import { listedShardsMax, wireAbilities, wireFormatVersion } from './wire-limits.ts';
import { encodeLeafPages, encodeSlotPages } from './wire-pages.ts';
import { checkSlotNumbers, fromWireSpelling, toWireSettings, toWireTree } from './wire-tree.ts';

export async function serveListShards(
  request: ListShardsRequest,
  call: ServedCall,
  provider: ShardProvider,
): Promise<ListShardsResponse> {
  const { group, shard } = request;
  if (group !== '') checkPlace(group, shard ?? 0);
  const filter: ListFilter = { ...(group !== '' && { group }), ...(shard !== undefined && { shard }) };
  const listings = await provider.list(filter, call.signal);
  if (listings.length > listedShardsMax) {
    const message = `${listings.length} shards do not fit one listing of ${listedShardsMax}; ask group by group`;
    throw new CodedError('too-large', message, { ceiling: listedShardsMax });
  }
  const groups = new Map<string, ListedGroup>();
  for (const listing of listings) {
    const { settings, tree } = listing;
    let listed = groups.get(listing.group);
    if (listed === undefined) {
      listed = create(ListedGroupSchema, { group: listing.group, settings: toWireSettings(settings) });
      groups.set(listing.group, listed);
    }
    const entry = create(ListedShardSchema, { shard: listing.shard });
    if (tree !== null) entry.tree = toWireTree(tree, settings);
    listed.shards.push(entry);
  }
  return create(ListShardsResponseSchema, {
    name: provider.name,
    formatVersion: wireFormatVersion,
    abilities: [...wireAbilities],
    groups: [...groups.values()],
    instance: provider.instance,
    holdsListedOnly: provider.held !== null,
    // A group of which nothing belongs here is as one that is not listed.
    held: (provider.held ?? [])
      .filter(({ shards }) => shards === null || shards.length > 0)
      .map(({ group, shards }) => ({ group, shards: [...(shards ?? [])] })),
  });
}

export async function* serveSlots(
  request: SlotsRequest,
  call: ServedCall,
  { provider, leases }: { readonly provider: ShardProvider; readonly leases: ViewLeases },
): AsyncGenerator<SlotsResponse> {
  const { group, shard } = request;
  checkPlace(group, shard);
  if (request.lease !== undefined && request.release) {
    await leases.release(request.lease, group, shard);
    return;
  }
  if (request.lease !== undefined) {
    await using leased = leases.use(request.lease, group, shard);
    yield* slotsOf(leased, request, call);
    return;
  }
  const spelling = fromWireSpelling(request.spelling);
  const copy = await provider.copy(group, shard);
  const view = await copy.openView({ signal: call.signal, ...(spelling && { spelling }) });
  const { description } = view;
  if (description.generation === null) {
    await view[Symbol.asyncDispose]();
    // An absent group: nothing in it, nothing to pin.
    if (description.leaves === 0)
      return yield create(SlotsResponseSchema, { header: toWireTree(description) });
    throw new CodedError('refused', `${copy.place} has no generation that can be pinned`, { group, shard });
  }
  await using leased = await leases.add(view);
  yield* slotsOf(leased, request, call);
}

async function* slotsOf(
  { id, view }: LeasedView,
  request: SlotsRequest,
  call: ServedCall,
): AsyncGenerator<SlotsResponse> {
  yield create(SlotsResponseSchema, { header: toWireTree(view.description), lease: id });
  if (!request.headerOnly) yield* encodeSlotPages(view.slots(call.signal), call.options.limits.pageBytesMax);
}

export async function* serveLeaves(
  request: LeavesRequest,
  call: ServedCall,
  leases: ViewLeases,
): AsyncGenerator<LeavesResponse> {
  const { group, shard, slots, headSlots } = request;
  checkPlace(group, shard);
  await using leased = leases.use(request.lease, group, shard);
  const count = leased.view.description.slotScheme?.slots ?? slotsMax;
  checkSlotNumbers(slots, count);
  checkSlotNumbers(headSlots, count);
  const { pageBytesMax } = call.options.limits;
  const leaves = leased.view.leaves(slots, call.signal);
  yield* encodeLeafPages(leaves, { pageBytesMax, headSlots: new Set(headSlots) });
}

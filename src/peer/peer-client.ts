/** Asks one peer about all its shards: the listing, builds, health. What belongs to one shard is in peer-shard-copy.ts. */
import type { GroupSettings } from '../property/group-settings.ts';
import { checkGroupName, shardsMax } from '../property/group-settings.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { HealthCheckResponse_ServingStatus as Status } from './generated/grpc/health/v1/health_pb.ts';
import {
  type BuildResponse,
  BuildResponse_Outcome as Outcome,
  type ListedGroup,
  type ListShardsResponse,
} from './generated/tallystick/v1/shard_pb.ts';
import { heldGroupsMax, type HeldShards } from './held-shards.ts';
import { PeerConnection, type PeerConnectionOptions } from './peer-connection.ts';
import type { BuildProgress, BuildRequest, ListFilter, ShardListing } from './shard-provider.ts';
import {
  abilitiesMax,
  listedShardsMax,
  peerNameBytesMax,
  reasonLengthMax,
  wireFormatVersion,
} from './wire-limits.ts';
import { asBuffer, fromWireSettings, fromWireTree, readCount } from './wire-tree.ts';
import { digestBytes } from '../property/version.ts';

/** What a peer says of itself and its shards. */
export interface PeerListing {
  /** What it calls itself. */
  readonly name: string;
  /** Which run of the program it is; 0 where it does not tell. */
  readonly instance: bigint;
  readonly abilities: readonly string[];
  /** Which shards belong to it, present or not. */
  readonly held: HeldShards;
  readonly shards: readonly ShardListing[];
}

export class PeerClient implements Disposable {
  readonly connection: PeerConnection;

  constructor(options: PeerConnectionOptions) {
    this.connection = new PeerConnection(options);
  }

  /** HOST:PORT. */
  get place(): string {
    return this.connection.place;
  }

  /** One round trip. Throws `newer-format` for a peer that speaks of trees in a way this program does not know. */
  async listShards(filter: ListFilter = {}, signal?: AbortSignal): Promise<PeerListing> {
    const { connection } = this;
    const answer = await connection.ask((options) => connection.shards.listShards(filter, options), {
      step: 'listing shards',
      timeoutMs: connection.deadlines.listShardsMs,
      signal,
    });
    if (answer.formatVersion !== wireFormatVersion) {
      const { formatVersion } = answer;
      const message = `${this.place} speaks format ${formatVersion}; this program knows ${wireFormatVersion}`;
      throw new CodedError('newer-format', message, { place: this.place, formatVersion });
    }
    if (Buffer.byteLength(answer.name) > peerNameBytesMax) throw connection.wrong('a name that is too long');
    if (answer.abilities.length > abilitiesMax)
      throw connection.wrong(`${answer.abilities.length} abilities`);
    const seen = new Set<string>();
    const shards: ShardListing[] = [];
    for (const listed of answer.groups) {
      const { group } = listed;
      if (seen.has(group) || (filter.group !== undefined && group !== filter.group)) {
        throw connection.wrong(`group ${JSON.stringify(group.slice(0, 200))} twice or unasked`);
      }
      seen.add(group);
      shards.push(...this.#readGroup(listed, filter));
      if (shards.length > listedShardsMax) throw connection.wrong(`more than ${listedShardsMax} shards`);
    }
    const { name, instance, abilities } = answer;
    return { name, instance, abilities, held: this.#readHeld(answer), shards };
  }

  #readHeld({ holdsListedOnly, held }: ListShardsResponse): HeldShards {
    if (!holdsListedOnly) return null;
    if (held.length > heldGroupsMax) throw this.connection.wrong(`${held.length} held groups`);
    return held.map(({ group, shards }) => {
      this.#read(() => checkGroupName(group));
      if (shards.length > shardsMax) throw this.connection.wrong(`${shards.length} held shards`, { group });
      return { group, shards: shards.length === 0 ? null : shards };
    });
  }

  #readGroup({ group, settings: wireSettings, shards }: ListedGroup, filter: ListFilter): ShardListing[] {
    let previous = -1;
    const settings = this.#read(() => {
      checkGroupName(group);
      return fromWireSettings(wireSettings);
    }) satisfies GroupSettings;
    return shards.map(({ shard, tree }) => {
      if (
        shard <= previous ||
        shard >= settings.shards ||
        (filter.shard !== undefined && shard !== filter.shard)
      ) {
        throw this.connection.wrong(`shard ${shard} after ${previous} of ${settings.shards}`, {
          group,
          shard,
        });
      }
      previous = shard;
      const description = tree && this.#read(() => fromWireTree(tree, { group, shard }, settings));
      return { group, shard, settings, tree: description ?? null };
    });
  }

  // Whatever is wrong with what a peer sent is a bad message of that peer.
  #read<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.connection.wrong(`a wrong listing: ${CodedError.from(error).message}`);
    }
  }

  /** Has the peer build trees; one report or more per shard. Throws what ends the build as a whole. */
  async *build(request: BuildRequest, signal?: AbortSignal): AsyncGenerator<BuildProgress> {
    const { connection } = this;
    const targets = request.targets.map(({ group, shard }) => ({ group, ...(shard !== null && { shard }) }));
    const answers = connection.listen(
      (options) => connection.shards.build({ targets, force: request.force }, options),
      { step: 'building trees', signal },
    );
    for await (const answer of answers) {
      if (answer.outcome !== Outcome.UNSPECIFIED) yield this.#readProgress(answer);
    }
  }

  #readProgress({ group, shard, outcome, leaves, generation, root, reason }: BuildResponse): BuildProgress {
    const name = outcomeNames.get(outcome);
    if (name === undefined) throw this.connection.wrong(`outcome ${outcome} of a build`, { group, shard });
    if (root !== undefined && root.length !== 0 && root.length !== digestBytes) {
      throw this.connection.wrong(`a root of ${root.length} bytes`, { group, shard });
    }
    return {
      group: this.#read(() => {
        checkGroupName(group);
        return group;
      }),
      shard,
      outcome: name,
      leaves: this.#read(() => readCount(leaves, 'leaves')),
      generation: generation ?? null,
      root: root === undefined ? null : asBuffer(root),
      reason: reason === '' ? null : reason.slice(0, reasonLengthMax),
    };
  }

  /** Whether the peer says that it serves; throws `unreachable`, `timeout` where it does not answer. */
  async isServing(signal?: AbortSignal): Promise<boolean> {
    const { connection } = this;
    throwIfAborted(signal);
    const { status } = await connection.ask((options) => connection.health.check({ service: '' }, options), {
      step: 'the health check',
      timeoutMs: connection.deadlines.healthMs,
      signal,
    });
    return status === Status.SERVING;
  }

  [Symbol.dispose](): void {
    this.connection[Symbol.dispose]();
  }
}

const outcomeNames: ReadonlyMap<Outcome, BuildProgress['outcome']> = new Map([
  [Outcome.RUNNING, 'running'],
  [Outcome.BUILT, 'built'],
  [Outcome.SKIPPED, 'skipped'],
  [Outcome.FAILED, 'failed'],
]);

/** Reads of single properties for the admin endpoint: one, by query, by words. Straight from the indexes, as they are now. */
import type { PropertyFilter } from '../admin/operations.ts';
import type { PropertyResource } from '../admin/resources.ts';
import { toHex } from '../lib/bytes.ts';
import { CodedError } from '../lib/coded-error.ts';
import { type HeldShards, holdsShard } from '../peer/held-shards.ts';
import { entityKey } from '../property/entity.ts';
import { entityHash, shardOf } from '../property/placement.ts';
import type { StoredVersion } from '../property/version.ts';
import { listGroups, readGroupSettings } from '../property-index/data-root.ts';
import { openReader } from '../property-index/index-reader.ts';
import { parseTextQuery, searchText } from '../property-index/text-search.ts';

export class PropertyReads {
  readonly #root: string;
  readonly #held: HeldShards;

  constructor(root: string, held: HeldShards) {
    this.#root = root;
    this.#held = held;
  }

  /** Null where there is none, or where it is deleted and `deleted` is false. Throws `not-found` for a group that is absent. */
  async get(group: string, name: string, id: string, deleted: boolean): Promise<PropertyResource | null> {
    const settings = await this.#settings(group);
    const entity = { group, name, id };
    const shard = shardOf(entityHash(entity), settings.shards);
    if (!holdsShard(this.#held, group, shard)) {
      throw new CodedError('not-found', `shard ${shard} of group ${group} is not held here`, {
        group,
        shard,
      });
    }
    using reader = openReader({ root: this.#root, group, shard });
    const found = reader?.look(entityKey(entity)) ?? null;
    return found === null || (found.deleteTime !== 0n && !deleted) ? null : propertyJson(found);
  }

  /** A page over all shards of a group, shard by shard, in key order within each. Throws `bad-argument`, `not-found`. */
  async query({ group, name, ids, deleted, limit, offset }: PropertyFilter): Promise<PropertyResource[]> {
    const settings = await this.#settings(group);
    const what = { deleted, ...(name !== undefined && { name }), ...(ids !== undefined && { ids }) };
    const found: PropertyResource[] = [];
    let skip = offset;
    for (let shard = 0; shard < settings.shards && found.length < limit; shard += 1) {
      if (!holdsShard(this.#held, group, shard)) continue;
      using reader = openReader({ root: this.#root, group, shard });
      if (reader === null) continue;
      found.push(...reader.query({ ...what, limit: limit - found.length, offset: skip }).map(propertyJson));
      skip = found.length > 0 ? 0 : Math.max(0, skip - reader.count(what));
    }
    return found;
  }

  /** Live properties with all words, up to `limit`. Throws `bad-argument`, `not-found`, `cancelled`. */
  async *search(
    text: string,
    only: string | null,
    limit: number,
    signal: AbortSignal,
  ): AsyncGenerator<PropertyResource> {
    const query = parseTextQuery(text);
    let found = 0;
    for (const group of only === null ? await listGroups(this.#root) : [only]) {
      const { shards } = await this.#settings(group);
      for (let shard = 0; shard < shards; shard += 1) {
        if (!holdsShard(this.#held, group, shard)) continue;
        using reader = openReader({ root: this.#root, group, shard });
        if (reader === null) continue;
        for await (const version of searchText(reader, group, query, { signal })) {
          if (found === limit) return;
          found += 1;
          yield propertyJson(version);
        }
      }
    }
  }

  async #settings(group: string): Promise<{ readonly shards: number }> {
    const settings = await readGroupSettings(this.#root, group);
    if (settings !== null) return settings;
    throw new CodedError('not-found', `there is no group ${group} here`, { field: 'group', value: group });
  }
}

function propertyJson({ source, revision, deleteTime, digest }: StoredVersion): PropertyResource {
  return {
    property: JSON.parse(source),
    revision: String(revision),
    deleteTime: String(deleteTime),
    digest: toHex(digest),
  };
}

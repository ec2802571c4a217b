/** Which shards belong to this replica: all of every group, or those the settings list. */
export interface PlacedGroup {
  readonly group: string;
  /** Null for all shards of the group. */
  readonly shards: readonly number[] | null;
}

export class Placement {
  readonly #groups: readonly PlacedGroup[] | null;

  /** `groups` null: everything belongs here. */
  constructor(groups: readonly PlacedGroup[] | null) {
    this.#groups = groups;
  }

  /** Whether the shard belongs to this replica. */
  holds(group: string, shard: number): boolean {
    if (this.#groups === null) return true;
    const placed = this.#groups.find((one) => one.group === group);
    return placed !== undefined && (placed.shards === null || placed.shards.includes(shard));
  }
}

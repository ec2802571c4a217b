/** A shard in a data root of its own, for tests of the property index and of trees. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GroupSettings } from '../../src/property/group-settings.ts';
import type { LoadRecord } from '../../src/property/record.ts';
import type { TagValue } from '../../src/property/property.ts';
import type { StoredVersion } from '../../src/property/version.ts';
import { createGroup } from '../../src/property-index/data-root.ts';
import { IndexReader, type IndexTotals } from '../../src/property-index/index-reader.ts';
import { IndexWriter, type WriteResult } from '../../src/property-index/index-writer.ts';
import { prepareIncoming } from '../../src/property-index/prepare-version.ts';
import { createIndex, type ShardIdentity } from '../../src/property-index/schema.ts';
import { TestClock } from './test-clock.ts';

export class ShardFixture implements AsyncDisposable {
  readonly identity: ShardIdentity;
  readonly clock: TestClock;
  settings: GroupSettings;

  private constructor(identity: ShardIdentity, settings: GroupSettings) {
    this.identity = identity;
    this.settings = settings;
    this.clock = new TestClock();
  }

  /** A group `g` (or another) of one shard with an empty index. */
  static async create(settings: Partial<GroupSettings> = {}, group = 'g', shard = 0): Promise<ShardFixture> {
    const root = await mkdtemp(join(tmpdir(), 'tallystick-'));
    const whole: GroupSettings = { shards: 1, slots: 32, spelling: 'compact', ...settings };
    const fixture = new ShardFixture({ root, group, shard }, whole);
    await createGroup(root, group, whole);
    await createIndex(fixture.identity, whole);
    return fixture;
  }

  writer(): IndexWriter {
    return new IndexWriter(this.identity, { clock: this.clock });
  }

  /** Applies versions as another copy would send them; each must be acceptable. */
  async apply(versions: readonly StoredVersion[]): Promise<WriteResult[]> {
    using writer = this.writer();
    return await writer.apply(
      versions.map((version) => {
        const prepared = prepareIncoming(version, writer.target);
        if (typeof prepared === 'string') throw new Error(prepared);
        return prepared;
      }),
    );
  }

  async put(records: readonly LoadRecord[]): Promise<WriteResult[]> {
    using writer = this.writer();
    return await writer.put(records);
  }

  read<Result>(work: (reader: IndexReader) => Result): Result {
    using reader = new IndexReader(this.identity);
    return work(reader);
  }

  totals(): IndexTotals {
    return this.read((reader) => reader.totals());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.identity.root, { recursive: true, force: true });
  }
}

/** A record that is still to be stamped. */
export function unstamped(
  name: string,
  id: string,
  tags: readonly (readonly [string, TagValue | null])[] = [],
): LoadRecord {
  return {
    property: {
      group: 'g',
      name,
      id,
      metadataId: 0,
      createRevision: 0n,
      modRevision: 0n,
      tags: tags.map(([key, value]) => ({ key, value })),
      updatedAt: null,
    },
    deleteTime: 0n,
    stamped: false,
    createRevisionGiven: false,
    updatedAtGiven: false,
    spelling: null,
  };
}

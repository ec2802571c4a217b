/** Shards of made-up properties for benchmarks, filled through the writer that everything else uses. */
import { systemClock } from '../../src/lib/clock.ts';
import { createGroup } from '../../src/property-index/data-root.ts';
import { IndexWriter } from '../../src/property-index/index-writer.ts';
import { type PreparedVersion, prepareProperty } from '../../src/property-index/prepare-version.ts';
import { createIndex, type ShardIdentity } from '../../src/property-index/schema.ts';

export const benchSettings = { shards: 1, slots: 32, spelling: 'compact' } as const;

export interface MadeShard {
  readonly root: string;
  /** Numbers of the properties: from here, below {@link to}. */
  readonly from?: number;
  readonly to: number;
  /** Bytes of the one tag's text. */
  readonly valueBytes: number;
  /** Added to every revision: a later version of the same properties. */
  readonly later?: bigint;
}

const fillBatchRows = 5_000;

/** Fills a shard; ids are spread so that keys come in no order of theirs. */
export async function fillShard({
  root,
  from = 0,
  to,
  valueBytes,
  later = 0n,
}: MadeShard): Promise<ShardIdentity> {
  const identity = { root, group: 'bench', shard: 0 };
  await createGroup(root, identity.group, benchSettings);
  await createIndex(identity, benchSettings);
  using writer = new IndexWriter(identity, { clock: systemClock });
  for (let start = from; start < to; start += fillBatchRows) {
    const batch: PreparedVersion[] = [];
    for (let number = start; number < Math.min(to, start + fillBatchRows); number += 1) {
      batch.push(makeVersion(writer, number, valueBytes, later));
    }
    await writer.apply(batch);
  }
  return identity;
}

function makeVersion(
  writer: IndexWriter,
  number: number,
  valueBytes: number,
  later: bigint,
): PreparedVersion {
  const revision = 1_700_000_000_000_000_000n + BigInt(number) + later;
  const prepared = prepareProperty(
    {
      group: 'bench',
      name: `name-${number % 7}`,
      id: `${((number * 7_919) % 1_000_003).toString(36)}-${number}`,
      metadataId: 0,
      createRevision: revision,
      modRevision: revision,
      tags: [{ key: 'value', value: { kind: 'str', value: `${number} `.padEnd(valueBytes, 'tally ') } }],
      updatedAt: null,
    },
    number % 10 === 9 ? revision + 1n : 0n,
    writer.target,
  );
  if (typeof prepared === 'string') throw new Error(prepared);
  return prepared;
}
